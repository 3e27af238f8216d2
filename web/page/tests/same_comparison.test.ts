/** Conditions compared: the TypeScript path against Python. */

import { describe, expect, test } from "vitest";

import { type Change, changes, meanChanges } from "../src/compare/composition";
import type { Composition } from "../src/compare/crossed";
import { designs } from "../src/compare/design";
import { readStudy } from "../src/compare/study";
import { sentence } from "../src/errors";
import { Results } from "../src/mapping/results";
import type { ResultColumn } from "../src/mapping/columns";
import { has, vectors } from "./vectors";

type Told<T> = { [K in keyof T]: T[K] extends number ? number | null : T[K] };

interface ComparedCase {
  /** Of each cell, by column; null is no number. */
  columns: Record<string, (string | number | boolean | null)[]>;
  sample: string[];
  condition: string[];
  /** Column and its values, 'who' being the samples'. */
  pairs: [string, string[]] | null;
  batch: [string, string[]] | null;
  reference: string | null;
  error: string | null;
  notes: string[];
  samples: string[];
  compositions: (Omit<Composition, "samples" | "cells"> & { cells: number[][] })[];
  /** By kind, of each design. */
  changes: Record<string, Told<Change>[]>;
  /** Of each design, what was left out. */
  leftOut: string[][];
}

const cases = has("compared.json") ? vectors<ComparedCase[]>("compared.json") : [];

function resultsOf(columns: ComparedCase["columns"]): Results {
  const made = Object.entries(columns).map(([name, values]): ResultColumn => {
    if (typeof values[0] === "boolean") return { name, kind: "bool", values: Uint8Array.from(values as boolean[], Number) };
    if (values.some((value) => typeof value === "number")) {
      return { name, kind: "float", values: Float32Array.from(values, (value) => (value === null ? NaN : Number(value))) };
    }
    const categories = [...new Set(values as string[])].filter((value) => value !== "");
    const codes = Int32Array.from(values as string[], (value) => categories.indexOf(value));
    return { name, kind: "category", categories, values: codes };
  });
  return Results.of(Object.values(columns)[0].length, made, []);
}

function expectNumber(found: number, told: number | null, name: string): void {
  if (told === null) return expect(found, name).toBeNaN();
  expect(Math.abs(found - told), `${name} ${found} ${told}`).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(told)));
}

describe.skipIf(!cases.length)("conditions that Python has compared", () => {
  test.each(cases.map((one, at) => [at, one] as const))("study %i", (_, one) => {
    const results = resultsOf(one.columns);
    const read = () => {
      const named = (column: string, of: string[]) => ({ column, of: (cell: number) => of[cell] });
      const study = readStudy(results, {
        sample: named("who", one.sample),
        condition: named("state", one.condition),
        pairs: one.pairs && named(...one.pairs),
        batch: one.batch && named(...one.batch),
      });
      return [study, designs(study.samples, one.reference)] as const;
    };
    if (one.error !== null) {
      let said = "";
      try {
        read();
      } catch (error) {
        said = sentence(error);
      }
      return expect(said).toBe(one.error);
    }
    const [study, found] = read();
    expect(study.notes).toEqual(one.notes);
    expect(study.samples.names).toEqual(one.samples);
    expect(study.compositions.map(({ kind, categories }) => [kind, categories])).toEqual(
      one.compositions.map(({ kind, categories }) => [kind, categories]),
    );
    expect(found.map(({ notes }) => notes)).toEqual(one.leftOut);
    study.compositions.forEach(({ cells }, at) => {
      cells.forEach((row, i) => row.forEach((n, k) => expectNumber(n, one.compositions[at].cells[i][k], "cells")));
    });
    const compared: [string, Change[]][] = [
      ...study.compositions.map((one): [string, Change[]] => [one.kind, found.flatMap((design) => changes(one, design))]),
      ["pseudotime mean", found.flatMap((design) => meanChanges(study.onWay, design))],
    ];
    for (const [kind, own] of compared) {
      const told = one.changes[kind];
      expect(own.map(({ category, reference, level, note }) => [category, reference, level, note])).toEqual(
        told.map(({ category, reference, level, note }) => [category, reference, level, note]),
      );
      own.forEach((change, i) => {
        for (const name of ["meanReference", "meanLevel", "change", "low", "high", "p", "pAdjusted"] as const) {
          expectNumber(change[name], told[i][name], `${change.category} ${name}`);
        }
      });
    }
  });
});
