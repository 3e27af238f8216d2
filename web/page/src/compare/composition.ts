/** How the share of each type, or a mean, changes between conditions, samples being the replicates.
 *
 * Same as `runtime/compare/composition.py` of the Python package: log-ratios (Aitchison 1982) in
 * moderated tests (Phipson et al. 2022, propeller).
 */

import decisions, { say } from "../decisions";
import type { Composition } from "./crossed";
import { type Design, without } from "./design";
import { adjusted } from "../mapping/false_discovery";
import { type Effect, moderatedEffects } from "./moderated";
import type { Quantity } from "./on_way";

const { compare } = decisions;

/** How one category, or the mean of a quantity, changes; NaN stands for what cannot be known. */
export interface Change extends Effect {
  category: string;
  reference: string;
  level: string;
  /** Mean share of the samples of each, or mean of the quantity. */
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
  const design = withSome(asked, (name) => sum(of(name)) > 0);
  const cells = design.samples.names.map(of);
  const least = compare.fewest_cells.value * Math.max(cells.length, 1);
  const totals = categories.map((_, at) => sum(cells.map((row) => row[at])));
  const enough = [...categories.keys()].filter((at) => totals[at] >= least);
  const tested = enough.length > 1 ? effects(logRatios(cells, enough), design) : [];
  const few = say(compare.few_cells, { cells: compare.fewest_cells.value });
  const alone = enough.length === 1 ? compare.alone : "";
  const found = categories.map((category, at) => {
    const shares = cells.map((row) => row[at] / Math.max(sum(row), 1e-12));
    const note = enough.includes(at) ? design.refusal || alone : few;
    return { category, ...between(shares, design), ...(tested[enough.indexOf(at)] ?? UNKNOWN), note };
  });
  return withAdjusted(found);
}

/** Test the means of quantities, each by sample; a sample may lack it. */
export function meanChanges(quantities: readonly Quantity[], asked: Design): Change[] {
  const found = quantities.map(({ name, of }) => {
    const design = withSome(asked, (sample) => of.has(sample));
    const values = Float64Array.from(design.samples.names, (sample) => of.get(sample)!);
    return { category: name, ...between(values, design), ...effects([values], design)[0], note: design.refusal };
  });
  return withAdjusted(found);
}

/** A design of the samples that there is something of. */
function withSome(design: Design, isThere: (sample: string) => boolean): Design {
  const { names } = design.samples;
  return names.every(isThere) ? design : without(design, (at) => isThere(names[at]));
}

function withAdjusted(found: readonly Omit<Change, "pAdjusted">[]): Change[] {
  const p = adjusted(found.map((one) => one.p));
  return found.map((one, at) => ({ ...one, pAdjusted: p[at] }));
}

/** What is compared, and the means of both. */
function between(values: ArrayLike<number>, { samples, reference, level }: Design) {
  const mean = (condition: string) => {
    const some = Array.from(values).filter((_, at) => samples.condition[at] === condition);
    return sum(some) / some.length;
  };
  return { reference, level, meanReference: mean(reference), meanLevel: mean(level) };
}

/** Log2 of each category's cells beside the mean log2 of the others', [categories][samples]. */
function logRatios(cells: readonly Float64Array[], chosen: readonly number[]): Float64Array[] {
  const n = chosen.length;
  const logs = cells.map((row) => chosen.map((at) => Math.log2(row[at] + compare.added.value)));
  const means = logs.map((row) => sum(row) / n);
  return chosen.map((_, k) => Float64Array.from(logs, (row, i) => ((row[k] - means[i]) * n) / (n - 1)));
}

function effects(rows: readonly Float64Array[], design: Design): Effect[] {
  const { model, refusal } = design;
  const { left } = model;
  if (!refusal && left) return moderatedEffects(rows, { ...model, left });
  return rows.map((row) => {
    const { meanReference, meanLevel } = between(row, design);
    return { ...UNKNOWN, change: meanLevel - meanReference };
  });
}

function sum(values: ArrayLike<number>): number {
  return Array.from(values).reduce((all, one) => all + one, 0);
}
