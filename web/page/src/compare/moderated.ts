/** Linear models of many rows at once, their variances moderated towards each other.
 *
 * Same as `runtime/compare/moderated.py` of the Python package: the formulas of limma (Smyth 2004, Statistical
 * Applications in Genetics and Molecular Biology 3:3).
 */

import { dot, fit, type Model } from "./model";
import { median } from "../mapping/median";
import { digamma, studentP, studentReach, tetragamma, trigamma } from "../mapping/student";

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

/** What the column that a model is asked for adds to each row, [samples]. */
export function moderatedEffects(rows: readonly Float64Array[], model: Model & { left: Float64Array }): Effect[] {
  const { freedom, left } = model;
  const fits = rows.map((row) => fit(model, row));
  const [moderated, prior] = squeezedVariance(fits.map(({ residual }) => residual / freedom), freedom);
  // no more than all rows have together, as limma bounds it
  const total = Math.min(freedom + prior, freedom * rows.length);
  const reach = studentReach(LEVEL, total);
  return fits.map(({ estimate: change }, at) => {
    const error = Math.sqrt(Math.max(moderated[at], TINY) / dot(left, left));
    return { change, low: change - reach * error, high: change + reach * error, p: studentP(change / error, total) };
  });
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

/** Solve trigamma(x) = value by Newton's method on its reciprocal (Smyth 2004, appendix). */
function trigammaInverse(value: number): number {
  let x = 0.5 + 1 / value;
  for (let step = 0; step < ENOUGH; step++) {
    const found = trigamma(x);
    const by = (found * (1 - found / value)) / tetragamma(x);
    x += by;
    if (-by / x < 1e-9) break;
  }
  return x;
}
