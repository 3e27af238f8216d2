/** What the groups of a query's cells are made of. */

import decisions from "../../decisions";
import type { Results } from "../../mapping/results";
import type { Column } from "../../sources/source";
import { shadingOf } from "../map/colouring";

const { columns } = decisions;
// whole numbers that so few cells share are names of groups, as those of clusters
const MOST_NUMBERS = 60;

/** Groups of cells by name. */
export interface Groups {
  /** [cells], -1 of none. */
  codes: Int32Array;
  names: string[];
}

export interface GroupRow {
  name: string;
  code: number;
  cells: number;
  /** [calls] */
  byCall: Float64Array;
  novel: number;
  /** Mean probability of the best guess; null where labels come without. */
  prob: number | null;
}

/** The groups that a column names; null of one that measures. */
export function groupsOf(column: Column): Groups | null {
  if (column.kind === "number") return groupsOfNumbers(column.values);
  const shading = shadingOf("", column);
  return shading.kind === "category" ? { codes: shading.codes, names: shading.categories } : null;
}

function groupsOfNumbers(values: Float32Array): Groups | null {
  const known = new Set<number>();
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    if (!Number.isInteger(value) || known.size > MOST_NUMBERS) return null;
    known.add(value);
  }
  const sorted = [...known].sort((a, b) => a - b);
  const code = new Map(sorted.map((value, at) => [value, at]));
  return { codes: Int32Array.from(values, (value) => code.get(value) ?? -1), names: sorted.map(String) };
}

/** Cells of each group by what they are called, the largest group first. */
export function composition({ codes, names }: Groups, results: Results): GroupRow[] {
  const call = results.category(results.call);
  const prob = results.float(columns.prob);
  const novel = results.flag(columns.novel);
  const rows = names.map((name, code) => ({
    name: name || "(none)",
    code,
    cells: 0,
    byCall: new Float64Array(call?.categories.length ?? 0),
    novel: 0,
    sum: 0,
  }));
  for (let cell = 0; cell < results.done; cell++) {
    const row = rows[codes[cell]];
    if (!row) continue;
    row.cells++;
    if (call) row.byCall[call.values[cell]]++;
    row.novel += novel?.[cell] ?? 0;
    row.sum += prob?.[cell] ?? 0;
  }
  return rows
    .filter(({ cells }) => cells > 0)
    .map(({ sum, ...row }) => ({ ...row, prob: prob && sum / row.cells }))
    .sort((a, b) => b.cells - a.cells);
}
