/** Differences of two groups of samples in many rows at once, their variances moderated.
 *
 * Same as `runtime/compare/moderated.py` of the Python package for two groups and nothing held even:
 * the formulas of limma (Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3:3).
 */

import { digamma, studentP, studentReach, tetragamma, trigamma } from "./special";

const LEVEL = 0.95;
const TINY = 1e-300;
const ENOUGH = 50;

/** Of one row; NaN where it is not known. */
export interface Effect {
  change: number;
  low: number;
  high: number;
  p: number;
}

/** What each row, [samples], is more by in the samples of `level`, of at least two each. */
export function moderatedEffects(rows: readonly Float64Array[], level: readonly boolean[]): Effect[] {
  const sizes = [level.filter((one) => !one).length, level.filter((one) => one).length];
  const freedom = level.length - 2;
  const means = rows.map((row) => groupMeans(row, level));
  const variance = rows.map((row, at) => {
    const residuals = row.map((value, i) => (value - means[at][Number(level[i])]) ** 2);
    return residuals.reduce((sum, one) => sum + one, 0) / freedom;
  });
  const [moderated, prior] = squeezedVariance(variance, freedom);
  // no more than all rows have together, as limma bounds it
  const total = Math.min(freedom + prior, freedom * rows.length);
  const reach = studentReach(LEVEL, total);
  return means.map(([before, after], at) => {
    const error = Math.sqrt(Math.max(moderated[at], TINY) * (1 / sizes[0] + 1 / sizes[1]));
    const change = after - before;
    return { change, low: change - reach * error, high: change + reach * error, p: studentP(change / error, total) };
  });
}

export function groupMeans(row: ArrayLike<number>, level: readonly boolean[]): [number, number] {
  const mean = (of: boolean) => {
    const some = Array.from(row).filter((_, i) => level[i] === of);
    return some.reduce((sum, one) => sum + one, 0) / some.length;
  };
  return [mean(false), mean(true)];
}

/** Variances moved towards a common one, as far as they agree, and the degrees of freedom of that. */
function squeezedVariance(variance: readonly number[], freedom: number): [number[], number] {
  const least = 1e-12 * Math.max(median(variance), TINY);
  const positive = variance.filter((one) => one > least);
  if (positive.length < 2) return [[...variance], 0];
  const half = freedom / 2;
  const log = positive.map((one) => Math.log(one) - digamma(half) + Math.log(half));
  const mean = log.reduce((sum, one) => sum + one, 0) / log.length;
  const spread = log.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (log.length - 1) - trigamma(half);
  const most = positive.length;
  const prior = spread <= 0 ? most : Math.min(2 * trigammaInverse(spread), most);
  const common = Math.exp(mean + digamma(prior / 2) - Math.log(prior / 2));
  return [variance.map((one) => (prior * common + freedom * one) / (prior + freedom)), prior];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

/** Solve trigamma(x) = value by Newton's method on its reciprocal (Smyth 2004, appendix). */
function trigammaInverse(value: number): number {
  if (value > 1e7) return value ** -0.5;
  if (value < 1e-6) return 1 / value;
  let x = 0.5 + 1 / value;
  for (let step = 0; step < ENOUGH; step++) {
    const found = trigamma(x);
    const by = (found * (1 - found / value)) / tetragamma(x);
    x += by;
    if (-by / x < 1e-9) break;
  }
  return x;
}

/** p-values adjusted for how many there are; NaN stays and counts for none.
 *
 * Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57:289.
 */
export function adjusted(p: readonly number[]): number[] {
  const order = [...p.keys()].filter((at) => Number.isFinite(p[at])).sort((a, b) => p[b] - p[a]);
  const found = p.map(() => NaN);
  let least = 1;
  order.forEach((at, i) => {
    least = Math.min(least, (p[at] * order.length) / (order.length - i));
    found[at] = least;
  });
  return found;
}
