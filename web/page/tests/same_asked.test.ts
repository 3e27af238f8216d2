/** What is asked for beside labels (other atlases, orthologs): the TypeScript path against Python. */

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";

import { describe, expect, test } from "vitest";

import { sentence } from "../src/errors";
import { openAtlas } from "../src/mapping/atlas";
import type { ResultColumn } from "../src/mapping/columns";
import type { Consulted } from "../src/mapping/consensus/annotate";
import { DEFAULTS, type MapOptions } from "../src/mapping/options";
import { mapQuery, openQuery, type Query } from "../src/mapping/query";
import { Results } from "../src/mapping/results";
import { hdf5 } from "../src/sources/hdf5";
import { openFiles } from "../src/sources/open";
import { FOLDER, has, parts, vectors } from "./vectors";

interface AskedCase {
  file: string;
  options: Partial<Omit<MapOptions, "orthologs">> & { orthologs?: boolean };
  /** The first, and those that are asked beside it. */
  atlases: string[];
  error: string | null;
  notes: string[];
  organism: string;
  /** Columns of the cells in their order: texts, numbers or flags. */
  columns: Record<string, (string | number | boolean)[]>;
  also: Consulted["also"];
  alike: Consulted["labelsAlike"];
}

const cases = has("asked.json") ? vectors<AskedCase[]>("asked.json") : [];
const TABLE = "../../runtime/genes/data/orthologs_human_mouse.tsv.gz";
// two builds of onnxruntime answer in other last digits, which several atlases add up
const APART = 3e-6;

async function mapped({ file, options, atlases }: AskedCase): Promise<[Query, Results]> {
  const { open } = await hdf5();
  const orthologs = options.orthologs ? gunzipSync(readFileSync(TABLE)).toString() : null;
  const how = { ...DEFAULTS, ...options, orthologs };
  const path = join(FOLDER, file);
  const contents = await openFiles([new File([readFileSync(path)], basename(file))], () => open(path), how.genome);
  const [first, ...others] = await Promise.all(atlases.map(async (name) => openAtlas(await parts({}, name))));
  const query = await openQuery(contents, first, how, others);
  const results = new Results(contents.cells.length);
  for await (const [block] of mapQuery(query, first)) results.add(block, []);
  return [query, results];
}

function said(column: ResultColumn): (string | number | boolean)[] {
  if (column.kind === "category") return Array.from(column.values, (code) => column.categories[code]);
  if (column.kind === "bool") return Array.from(column.values, Boolean);
  return Array.from(column.values);
}

function expectClose(found: number, expected: number, what: string): void {
  expect(Math.abs(found - expected), `${what} ${found} ${expected}`).toBeLessThanOrEqual(APART);
}

describe.skipIf(!cases.length)("what Python was asked for", () => {
  test.each(cases.map((one) => [`${one.file} ${one.atlases.join()} ${JSON.stringify(one.options)}`, one] as const))(
    "%s",
    async (_, one) => {
      if (one.error !== null) {
        const error = await mapped(one).then(() => null, sentence);
        return expect(error).toBe(one.error);
      }
      const [query, results] = await mapped(one);
      expect(query.notes).toEqual(one.notes);
      expect(query.genes.organism).toBe(one.organism);
      const names = Object.keys(one.columns);
      expect([...results.columns.keys()].filter((name) => names.includes(name))).toEqual(names);
      for (const [name, expected] of Object.entries(one.columns)) {
        const found = said(results.columns.get(name)!);
        if (typeof expected[0] !== "number") expect(found, name).toEqual(expected);
        else expected.forEach((value, cell) => expectClose(Number(found[cell]), Number(value), `${name} of ${cell}`));
      }
      const { also, labelsAlike } = query.consensus ?? { also: [], labelsAlike: {} };
      expect(also.map(({ name, sha256 }) => [name, sha256])).toEqual(one.also.map(({ name, sha256 }) => [name, sha256]));
      also.forEach(({ fit }, at) => expect(Math.abs(fit - one.also[at].fit)).toBeLessThan(2e-4));
      const exact = (told: Consulted["labelsAlike"]) =>
        Object.entries(told).map(([name, records]) => [name, records.map(({ label, is, to, by }) => [label, is, to, by])]);
      expect(exact(labelsAlike)).toEqual(exact(one.alike));
    },
  );
});
