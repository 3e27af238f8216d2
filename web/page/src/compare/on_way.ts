/** How far the cells of each sample are along the trajectory.
 *
 * Part of `runtime/compare/study.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import type { Results } from "../mapping/results";
import { byName } from "../words";

const { columns, compare, values } = decisions;
const QUARTILES = [0.25, 0.5, 0.75];

/** A number of samples; those without enough cells have none. */
export interface Quantity {
  name: string;
  of: ReadonlyMap<string, number>;
}

/** Mean and quartiles of the pseudotime of each sample, and means within types; none without a trajectory. */
export function meansOnWay(results: Results, samples: readonly string[], row: Int32Array): Quantity[] {
  const time = results.float(columns.pseudotime);
  const call = results.category(columns.call);
  const all = samples.map((): number[] => []);
  const within = (call?.categories ?? []).map(() => samples.map((): number[] => []));
  row.forEach((at, cell) => {
    if (at < 0 || !time || !Number.isFinite(time[cell])) return;
    all[at].push(time[cell]);
    within[call ? call.values[cell] : -1]?.[at].push(time[cell]);
  });
  if (!all.some((one) => one.length)) return [];
  const quantity = (name: string, times: readonly number[][], value: (of: number[]) => number): Quantity => {
    const told = times.flatMap((one, at): [string, number][] => {
      return one.length < compare.fewest_on_way.value ? [] : [[samples[at], value(one)]];
    });
    return { name, of: new Map(told) };
  };
  const moments = [mean, ...QUARTILES.map((share) => (of: number[]) => quantile(of, share))];
  const types = (call?.categories ?? []).map((name, at) => [name, within[at]] as const);
  types.sort(([a], [b]) => byName(a, b));
  return [
    ...moments.map((moment, at) => quantity(compare.on_way[at], all, moment)),
    ...types
      .filter(([name]) => name !== "" && name !== values.unknown)
      .map(([type, times]) => quantity(say(compare.mean_within, { type }), times, mean))
      .filter(({ of }) => of.size > 0),
  ];
}

const mean = (of: readonly number[]) => of.reduce((sum, one) => sum + one, 0) / of.length;

/** Between the two nearest, by distance. */
function quantile(of: readonly number[], share: number): number {
  const sorted = Float64Array.from(of).sort();
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}
