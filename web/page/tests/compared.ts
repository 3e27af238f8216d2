/** Comparing what the page computes with what Python has. */

import { expect } from "vitest";

import type { MappedBlock, ResultColumn } from "../src/mapping/columns";

export type Value = string | number | boolean | null;

export function columnValues(blocks: readonly MappedBlock[], name: string): Value[] {
  return blocks.flatMap((block): Value[] => {
    const column = block.columns.find((one) => one.name === name);
    if (!column) throw new Error(`There is no column ${name}.`);
    return valuesOf(column);
  });
}

export function valuesOf(column: ResultColumn): Value[] {
  if (column.kind === "bool") return Array.from(column.values, Boolean);
  if (column.kind === "float") return [...column.values];
  return Array.from(column.values, (code) => column.categories[code] ?? "");
}

export function matrixValues(blocks: readonly MappedBlock[], name: string): number[] {
  return blocks.flatMap((block) => {
    const matrix = block.matrices.find((one) => one.name === name);
    return matrix ? [...matrix.values] : [];
  });
}

export function compare(name: string, found: Value[], expected: Value[]): void {
  expect(found.length, name).toBe(expected.length);
  const wrong = found.filter((value, i) => {
    const other = expected[i];
    if (typeof value !== "number") return value !== other;
    if (other === null) return !Number.isNaN(value);
    const apart = Math.abs(value - Number(other));
    return !(apart <= 1e-3 * Math.max(1, Math.abs(Number(other))));
  });
  expect(wrong, name).toEqual([]);
}
