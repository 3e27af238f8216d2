/** Which labels of another atlas are which of the first, in words.
 *
 * Same as `runtime/mapping/consensus/told.py` of the Python package.
 */

import decisions from "../../decisions";
import { columnSums } from "./joint";

const { part, overlap, fewest, by_name: byName, by_cells: byCells, by_few: byFew } = decisions.consensus;

export type Relation = keyof typeof decisions.report.relations;

/** What a label of another atlas is to those of the first, by which evidence, in how many cells. */
export interface Alike {
  label: string;
  cells: number;
  is: Relation;
  to: string[];
  by: string;
}

/** A record a label of another atlas; `cells` and `places` as for `translation`. */
export function alikeInWords(
  cells: Float64Array,
  places: readonly number[],
  first: readonly string[],
  labels: readonly string[],
): Alike[] {
  const width = labels.length;
  const ofLabel = columnSums(cells, width);
  const ofFirst = first.map((_, one) => sumOf(cells.subarray(one * width, (one + 1) * width)));
  return places.map((place, label) => {
    const record = { label: labels[label], cells: Number(ofLabel[label].toFixed(1)) };
    if (place < first.length) return { ...record, is: "equal", to: [first[place]], by: byName };
    if (ofLabel[label] < fewest.value) return { ...record, is: "not known", to: [], by: byFew };
    const known = first.map((_, one) => cells[one * width + label]);
    const within = known.map((one) => one / ofLabel[label]);
    const back = known.map((one, i) => one / Math.max(ofFirst[i], fewest.value));
    const [is, to] = relation(within, back);
    return { ...record, is, to: to.map((one) => first[one]), by: byCells };
  });
}

/** How a label lies to those of the first, from the shares of either in the other. */
function relation(within: readonly number[], back: readonly number[]): [Relation, number[]] {
  const best = within.indexOf(Math.max(...within));
  if (within[best] >= part.value) return [back[best] >= part.value ? "equal" : "part of", [best]];
  const atLeast = (shares: readonly number[], least: number) => [...shares.keys()].filter((i) => shares[i] >= least);
  const parts = atLeast(back, part.value);
  if (parts.length) return ["contains", parts];
  const some = atLeast(within, overlap.value);
  return some.length ? ["overlaps", some] : ["new", []];
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, one) => sum + one, 0);
}
