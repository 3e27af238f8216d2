/** How the share of each type changes between conditions, samples being the replicates.
 *
 * Same as `runtime/compare/composition.py` of the Python package: log-ratios (Aitchison 1982) in
 * moderated tests (Phipson et al. 2022, propeller).
 */

import decisions, { say } from "../decisions";
import { type Design, designOf, rowsOf } from "./design";
import { adjusted, type Effect, groupMeans, moderatedEffects } from "./moderated";

const { compare } = decisions;

/** Cells of each sample by category; weights where labels are uncertain. */
export interface Composition {
  kind: string;
  categories: readonly string[];
  samples: readonly string[];
  /** [samples][categories] */
  cells: readonly Float64Array[];
}

/** How one category changes from one condition to another; NaN stands for what cannot be known. */
export interface Change extends Effect {
  category: string;
  reference: string;
  level: string;
  /** Mean share of the samples of each. */
  meanReference: number;
  meanLevel: number;
  /** Adjusted for the number of categories. */
  pAdjusted: number;
  /** Why there is no p-value. */
  note: string;
}

const UNKNOWN: Effect = { change: NaN, low: NaN, high: NaN, p: NaN };

/** Test every category of a composition. */
export function changes(composition: Composition, asked: Design): Change[] {
  const { categories } = composition;
  const of = (name: string) => composition.cells[composition.samples.indexOf(name)];
  const full = rowsOf(asked.samples, (at) => sum(of(asked.samples.names[at])) > 0);
  const all = full.names.length === asked.samples.names.length;
  const design = all ? asked : designOf(full, asked.reference, asked.level);
  const cells = design.samples.names.map(of);
  const least = compare.fewest_cells.value * Math.max(cells.length, 1);
  const totals = categories.map((_, at) => sum(cells.map((row) => row[at])));
  const enough = [...categories.keys()].filter((at) => totals[at] >= least);
  const level = design.samples.condition.map((one) => one === design.level);
  const tested = enough.length > 1 ? effects(logRatios(cells, enough), level, design.refusal) : [];
  const found = categories.map((_, at) => tested[enough.indexOf(at)] ?? UNKNOWN);
  const p = adjusted(found.map((one) => one.p));
  const few = say(compare.few_cells, { cells: compare.fewest_cells.value });
  const alone = enough.length === 1 ? compare.alone : "";
  return categories.map((category, at) => {
    const shares = cells.map((row) => row[at] / Math.max(sum(row), 1e-12));
    const [meanReference, meanLevel] = groupMeans(shares, level);
    const note = enough.includes(at) ? design.refusal || alone : few;
    const { reference, level: name } = design;
    return { category, reference, level: name, meanReference, meanLevel, ...found[at], pAdjusted: p[at], note };
  });
}

/** Log2 of each category's cells beside the mean log2 of the others', [categories][samples]. */
function logRatios(cells: readonly Float64Array[], chosen: readonly number[]): Float64Array[] {
  const n = chosen.length;
  const logs = cells.map((row) => chosen.map((at) => Math.log2(row[at] + compare.added.value)));
  const means = logs.map((row) => sum(row) / n);
  return chosen.map((_, k) => Float64Array.from(logs, (row, i) => ((row[k] - means[i]) * n) / (n - 1)));
}

function effects(rows: readonly Float64Array[], level: readonly boolean[], refusal: string): Effect[] {
  if (!refusal) return moderatedEffects(rows, level);
  return rows.map((row) => {
    const [before, after] = groupMeans(row, level);
    return { ...UNKNOWN, change: after - before };
  });
}

function sum(values: ArrayLike<number>): number {
  return Array.from(values).reduce((all, one) => all + one, 0);
}
