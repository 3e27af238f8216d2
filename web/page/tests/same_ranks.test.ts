/** Which atlas fits: the TypeScript path against Python. */

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

import { describe, expect, test } from "vitest";

import { sentence } from "../src/errors";
import { openAtlas } from "../src/mapping/atlas";
import { type AtlasFit, fitInWords, ranked } from "../src/mapping/atlas_fit";
import { DEFAULTS, type MapOptions } from "../src/mapping/options";
import { fitOf, someCells } from "../src/mapping/rank";
import { hdf5 } from "../src/sources/hdf5";
import { openFiles } from "../src/sources/open";
import { FOLDER, has, parts, vectors } from "./vectors";

type Told = Omit<AtlasFit, "nLabels"> & { n_labels: number; sentence: string };

interface RankCase {
  files: string[];
  options: Partial<MapOptions>;
  /** In the order in which they are asked. */
  atlases: string[];
  /** Why the query cannot be ranked at all. */
  error: string | null;
  fits: Told[];
}

const cases = has("ranks.json") ? vectors<RankCase[]>("ranks.json") : [];
const APART = 1e-6;

async function rank({ files, options, atlases }: RankCase): Promise<AtlasFit[]> {
  const { open } = await hdf5();
  const how = { ...DEFAULTS, ...options };
  const brought = files.map((name) => new File([readFileSync(join(FOLDER, name))], basename(name)));
  const contents = await openFiles(brought, () => open(join(FOLDER, files[0])), how.genome);
  const opened = await Promise.all(atlases.map((name) => parts({}, name)));
  const cells = await someCells(contents, opened.map(({ manifest }) => manifest.panel), how);
  const fits: AtlasFit[] = [];
  for (const [at, name] of atlases.entries()) fits.push(await fitOf(name, cells, await openAtlas(opened[at]), how));
  return ranked(fits);
}

describe.skipIf(!cases.length)("atlases that Python has ranked", () => {
  test.each(cases.map((one) => [`${one.files[0]} ${JSON.stringify(one.options)}`, one] as const))("%s", async (_, one) => {
    let found: AtlasFit[] = [];
    let error: string | null = null;
    try {
      found = await rank(one);
    } catch (refused) {
      error = sentence(refused);
    }
    expect(error).toBe(one.error);
    expect(found.map(({ atlas }) => atlas)).toEqual(one.fits.map(({ atlas }) => atlas));
    found.forEach((fit, i) => {
      const { sentence: words, n_labels: nLabels, ...told } = one.fits[i];
      expect(fitInWords(fit)).toBe(words);
      expect(Object.keys(fit).sort()).toEqual(Object.keys({ ...told, nLabels }).sort());
      for (const [name, expected] of Object.entries({ ...told, nLabels })) {
        const value = fit[name as keyof AtlasFit];
        if (typeof expected !== "number") expect(value, name).toBe(expected);
        else expect(Math.abs(Number(value) - expected), `${name} ${value} ${expected}`).toBeLessThanOrEqual(APART);
      }
    });
  });
});
