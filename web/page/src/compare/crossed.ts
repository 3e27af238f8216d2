/** Cells of each sample by what they are.
 *
 * Part of `runtime/compare/study.py` of the Python package: types with each cell weighing by the probability of its
 * label, calls, groups, clusters, edges, cells unlike the atlas and steps of pseudotime.
 */

import decisions, { say } from "../decisions";
import type { Results } from "../mapping/results";
import { byName } from "../words";

const { columns, compare, values } = decisions;
const KINDS: readonly [string, string][] = [
  ["call", columns.call],
  ["group", columns.group_label],
  ["own_cluster", columns.group],
  ["cluster", columns.cluster],
  ["edge", columns.edge],
];

/** Cells of each sample by category; weights where labels are uncertain. */
export interface Composition {
  kind: string;
  categories: readonly string[];
  samples: readonly string[];
  /** [samples][categories] */
  cells: readonly Float64Array[];
}

/** Samples, and the row of each cell's among them; -1 where it is of none. */
interface Rows {
  samples: readonly string[];
  row: Int32Array;
}

/** Tells of what category a cell is, and for how much it counts. */
type Weigh = (cell: number, add: (category: number, weight: number) => void) => void;

export function compositionsOf(results: Results, samples: readonly string[], row: Int32Array): Composition[] {
  const rows = { samples, row };
  const counted = KINDS.map(([kind, name]) => {
    const column = results.category(name);
    return column && crossed(kind, rows, column.categories, (cell, add) => add(column.values[cell], 1));
  });
  const all = [typesOf(results, rows), ...counted, ...novelOf(results, rows), stepsOf(results, rows)];
  return all.filter((one) => one !== null);
}

/** Types, and what of the cells is of none for sure; null without labels. */
function typesOf(results: Results, rows: Rows): Composition | null {
  const label = results.category(columns.label);
  const prob = results.float(columns.prob);
  if (!label) return null;
  const names = label.categories;
  const unsure = names.length;
  return crossed("type", rows, [...names, compare.not_sure], (cell, add) => {
    const code = label.values[cell];
    const sure = prob ? prob[cell] || 0 : 1;
    const isUnknown = names[code] === values.unknown;
    if (!isUnknown) add(code, sure);
    if (prob) add(unsure, isUnknown ? 1 : 1 - sure);
  });
}

/** Cells unlike the atlas, beside all others and, by the type nearest to them, beside calls. */
function novelOf(results: Results, rows: Rows): Composition[] {
  const novel = results.flag(columns.novel);
  if (!novel) return [];
  const alike = crossed("novel", rows, [compare.like, compare.unlike], (cell, add) => add(Number(novel[cell] === 1), 1));
  const [call, label] = [results.category(columns.call), results.category(columns.label)];
  if (!call || !label) return [alike];
  const near = label.categories.map((one) => say(compare.unlike_near, { label: one }));
  const names = [...new Set([...call.categories, ...near])];
  const calls = call.categories.map((one) => names.indexOf(one));
  const nears = near.map((one) => names.indexOf(one));
  return [
    alike,
    crossed("novel_group", rows, names, (cell, add) => {
      add(novel[cell] === 1 ? nears[label.values[cell]] : calls[call.values[cell]], 1);
    }),
  ];
}

function stepsOf(results: Results, rows: Rows): Composition | null {
  const time = results.float(columns.pseudotime);
  if (!time) return null;
  const n = compare.steps.value;
  const end = (at: number) => (at / n).toFixed(1);
  const names = Array.from({ length: n }, (_, at) => say(compare.step, { from: end(at), to: end(at + 1) }));
  const found = crossed("pseudotime", rows, names, (cell, add) => {
    const at = Math.trunc(time[cell] * n);
    if (Number.isFinite(time[cell])) add(Math.min(Math.max(at, 0), n - 1), 1);
  });
  return found.categories.length ? found : null;
}

/** Weights of the cells of each sample by category, categories by name, without those of none. */
function crossed(kind: string, { samples, row }: Rows, names: readonly string[], weigh: Weigh): Composition {
  const sums = samples.map(() => new Float64Array(names.length));
  row.forEach((at, cell) => {
    if (at >= 0) weigh(cell, (category, weight) => category >= 0 && (sums[at][category] += weight));
  });
  const kept = [...names.keys()].filter((at) => names[at] !== "" && sums.some((one) => one[at] > 0));
  kept.sort((a, b) => rankOf(names[a]) - rankOf(names[b]) || byName(names[a], names[b]));
  return {
    kind,
    categories: kept.map((at) => names[at]),
    samples,
    cells: sums.map((one) => Float64Array.from(kept, (at) => one[at])),
  };
}

/** What is not sure comes last. */
const rankOf = (name: string) => Number(name === compare.not_sure);
