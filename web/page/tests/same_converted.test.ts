/** Atlases converted from models of other tools: the TypeScript path against Python. */

import { describe, expect, test } from "vitest";

import { sentence } from "../src/errors";
import { openAtlas } from "../src/mapping/atlas";
import { DEFAULTS as PLAIN, type MapOptions } from "../src/mapping/options";
import { verifyAtlas } from "../src/mapping/verify";
import { columnValues, compare, matrixValues, type Value, valuesOf } from "./compared";
import { has, mapFiles, parts, vectors } from "./vectors";

interface ConvertedCase {
  atlas: string;
  file: string;
  options: Partial<MapOptions>;
  error: string | null;
  columns: Record<string, Value[]>;
  matrices: Record<string, Value[]>;
  notes: string[];
}

const cases = has("converted.json") ? vectors<ConvertedCase[]>("converted.json") : [];

describe.skipIf(!cases.length)("converted atlases", () => {
  for (const { atlas, file, options, error, columns, matrices, notes } of cases) {
    test(`${file} on ${atlas}, ${JSON.stringify(options)}`, async () => {
      const mapping = mapFiles([file], { ...PLAIN, ...options }, 17, atlas);
      if (error !== null) {
        expect(await mapping.then(() => "nothing", sentence)).toBe(error);
        return;
      }
      const { query, blocks, settled } = await mapping;
      expect(query.notes).toEqual(notes);
      expect(blocks[0].columns.map(({ name }) => name)).toEqual(Object.keys(columns));
      for (const [name, values] of Object.entries(columns)) {
        const whole = settled.find((one) => one.name === name);
        compare(name, whole ? valuesOf(whole) : columnValues(blocks, name), values);
      }
      expect(blocks[0].matrices.map(({ name }) => name)).toEqual(Object.keys(matrices));
      for (const [name, values] of Object.entries(matrices)) {
        compare(name, matrixValues(blocks, name), values);
      }
    });
  }

  test.each([...new Set(cases.map(({ atlas }) => atlas))])("%s passes its canary", async (name) => {
    const given = await parts({}, name);
    const { answers, difference } = await verifyAtlas(await openAtlas(given), given);
    expect(difference).toBeLessThan(1e-4);
    expect(answers).toEqual(given.manifest.answers);
  });
});
