/** Atlases converted from models of other tools: the TypeScript path against Python. */

import { describe, expect, test } from "vitest";

import { openAtlas } from "../src/mapping/atlas";
import { DEFAULTS as PLAIN } from "../src/mapping/query";
import { verifyAtlas } from "../src/mapping/verify";
import { columnValues, compare, matrixValues, type Value } from "./compared";
import { has, mapFiles, parts, vectors } from "./vectors";

interface ConvertedCase {
  atlas: string;
  file: string;
  columns: Record<string, Value[]>;
  matrices: Record<string, Value[]>;
  notes: string[];
}

const cases = has("converted.json") ? vectors<ConvertedCase[]>("converted.json") : [];

describe.skipIf(!cases.length)("converted atlases", () => {
  for (const { atlas, file, columns, matrices, notes } of cases) {
    test(`${file} on ${atlas}`, async () => {
      const { query, blocks } = await mapFiles([file], PLAIN, 17, atlas);
      expect(query.notes).toEqual(notes);
      expect(blocks[0].columns.map(({ name }) => name)).toEqual(Object.keys(columns));
      for (const [name, values] of Object.entries(columns)) {
        compare(name, columnValues(blocks, name), values);
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
