/** Who the samples of a mapping are, and what their cells are.
 *
 * Part of `runtime/compare/study.py` of the Python package: types with each cell weighing by the
 * probability of its label, calls and clusters.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import type { Results } from "../mapping/results";
import type { Composition } from "./composition";
import type { Samples } from "./design";

const { columns, compare, values } = decisions;
const KINDS: readonly [string, string][] = [
  ["call", columns.call],
  ["cluster", columns.cluster],
];

export interface Study {
  samples: Samples;
  compositions: Composition[];
  notes: string[];
}

/** Names of groups by cell; empty where it is of none. */
type NameOf = (cell: number) => string;

export function readStudy(results: Results, sample: NameOf, condition: NameOf): Study {
  const found = new Map<string, string>();
  const codes = new Map<string, number>();
  const of = new Int32Array(results.done).fill(-1);
  let lost = 0;
  for (let cell = 0; cell < of.length; cell++) {
    const [name, end] = [sample(cell), condition(cell)];
    if (name === "" || end === "") {
      lost++;
      continue;
    }
    const known = found.get(name) ?? end;
    if (known !== end) throw new InputError(say(compare.two_conditions, { sample: name, one: known, other: end }));
    found.set(name, end);
    if (!codes.has(name)) codes.set(name, codes.size);
    of[cell] = codes.get(name)!;
  }
  if (!found.size) throw new InputError(compare.no_cells);
  const order = [...found].sort(([a, one], [b, other]) => inOrder(one, other) || inOrder(a, b));
  const samples = { names: order.map(([name]) => name), condition: order.map(([, end]) => end) };
  const rank = new Map(samples.names.map((name, at) => [codes.get(name)!, at]));
  const row = of.map((code) => rank.get(code) ?? -1);
  const notes = lost ? [say(compare.left_out, { lost, cells: of.length })] : [];
  return { samples, compositions: compositionsOf(results, samples.names, row), notes };
}

const inOrder = (a: string, b: string) => (a < b ? -1 : Number(a > b));

function compositionsOf(results: Results, samples: readonly string[], row: Int32Array): Composition[] {
  const counted = KINDS.flatMap(([kind, name]) => {
    const column = results.category(name);
    if (!column) return [];
    return [crossed(kind, samples, row, column.categories, (cell, add) => add(column.values[cell], 1))];
  });
  const types = typesOf(results, samples, row);
  return types ? [types, ...counted] : counted;
}

/** Types, and what of the cells is of none for sure; null without labels. */
function typesOf(results: Results, samples: readonly string[], row: Int32Array): Composition | null {
  const label = results.category(columns.label);
  const prob = results.float(columns.prob);
  if (!label) return null;
  const names = label.categories;
  const unsure = names.length;
  const found = crossed("type", samples, row, [...names, compare.not_sure], (cell, add) => {
    const code = label.values[cell];
    const sure = prob ? prob[cell] || 0 : 1;
    const isUnknown = names[code] === values.unknown;
    if (!isUnknown) add(code, sure);
    if (prob) add(unsure, isUnknown ? 1 : 1 - sure);
  });
  return found;
}

/** Weights of the cells of each sample by category, categories by name, without those of none. */
function crossed(
  kind: string,
  samples: readonly string[],
  row: Int32Array,
  names: readonly string[],
  weigh: (cell: number, add: (category: number, weight: number) => void) => void,
): Composition {
  const sums = samples.map(() => new Float64Array(names.length));
  row.forEach((at, cell) => {
    if (at >= 0) weigh(cell, (category, weight) => category >= 0 && (sums[at][category] += weight));
  });
  const kept = [...names.keys()].filter((at) => names[at] !== "" && sums.some((one) => one[at] > 0));
  kept.sort((a, b) => rankOf(names[a]) - rankOf(names[b]) || inOrder(names[a], names[b]));
  return {
    kind,
    categories: kept.map((at) => names[at]),
    samples,
    cells: sums.map((one) => Float64Array.from(kept, (at) => one[at])),
  };
}

/** What is not sure comes last. */
const rankOf = (name: string) => Number(name === compare.not_sure);
