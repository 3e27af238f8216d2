/** Why cells have their labels: the TypeScript path against Python. */

import { describe, expect, test } from "vitest";

import type { LabelReasons } from "../src/mapping/explain/reasons";
import { DEFAULTS } from "../src/mapping/options";
import { has, mapFiles, vectors } from "./vectors";

/** Numbers that are not known are null. */
type Told = Omit<LabelReasons, "probability" | "probabilityWithout" | "genes"> & {
  probability: number | null;
  probabilityWithout: number | null;
  genes: Record<string, string | number | null>[];
};

interface ReasonsCase {
  atlas: string;
  file: string;
  /** Of each type, the most common first. */
  types: Told[];
  /** Of some cells, each of two labels. */
  cells: { cell: number; label: number; told: Told }[];
}

const cases = has("reasons.json") ? vectors<ReasonsCase[]>("reasons.json") : [];
// values are capped, and missing genes fitted, in float32
const APART = 1e-6;

function expectAlike(found: LabelReasons, told: Told): void {
  expect(found.genes.map(({ gene }) => gene)).toEqual(told.genes.map(({ gene }) => gene));
  const [own, other] = [flat(found), flat(told)];
  expect(Object.keys(own)).toEqual(Object.keys(other));
  for (const [name, value] of Object.entries(own)) {
    const expected = other[name];
    if (typeof value !== "number") expect(value, name).toBe(expected);
    else if (expected === null) expect(value, name).toBeNaN();
    else expect(Math.abs(value - Number(expected)), name).toBeLessThanOrEqual(APART * Math.max(1, Math.abs(value)));
  }
}

function flat({ genes, ...rest }: LabelReasons | Told): Record<string, unknown> {
  const each = genes.flatMap((gene, i) => Object.entries(gene).map(([name, value]) => [`${i} ${name}`, value]));
  return { ...rest, ...(Object.fromEntries(each) as Record<string, unknown>) };
}

describe.skipIf(!cases.length)("why cells have their labels", () => {
  for (const { atlas, file, types, cells } of cases) {
    test.each([2048, 17])(`${file} on ${atlas}, blocks of %i`, async (blockCells) => {
      const { why, whyCell } = await mapFiles([file], DEFAULTS, blockCells, atlas);
      const found = await why.ofTypes();
      expect(found.map(({ label }) => label)).toEqual(types.map(({ label }) => label));
      found.forEach((one, i) => expectAlike(one, types[i]));
      for (const { cell, label, told } of cells) expectAlike(await whyCell(cell, label), told);
    });
  }
});
