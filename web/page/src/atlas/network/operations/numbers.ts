/** Operations on each number by itself, and on each pair. */

import { each, paired, type Tensor } from "../tensor";
import { numberOf, nowhere, type Operation } from "./operation";

const times = (g: Tensor, x: Tensor) => paired(g, x, (a, b) => a * b, false);

/** On each number by itself; the slope is of the input and the output. */
function single(value: (x: number) => number, slope: (x: number, y: number) => number): Operation {
  return (_, x) => {
    const found = { ...each(x, value), whole: false };
    return [found, (g) => [times(g, paired(x, found, slope, false))]];
  };
}

const same = single((x) => x, () => 1);
/** As it is, whole numbers too. */
const kept: Operation = (given, x) => {
  const [found, back] = same(given, x)!;
  return [{ ...found, whole: x.whole }, back];
};

const minus = (g: Tensor) => each(g, (one) => -one);
const add: Operation = (_, a, b) => [paired(a, b, (x, y) => x + y), (g) => [g, g]];
const subtract: Operation = (_, a, b) => [paired(a, b, (x, y) => x - y), (g) => [g, minus(g)]];
const multiply: Operation = (_, a, b) => [paired(a, b, (x, y) => x * y), (g) => [times(g, b), times(g, a)]];

const divide: Operation = (_, a, b) => {
  if (a.whole) return [paired(a, b, (x, y) => Math.floor(x / y)), nowhere];
  const by = (x: Tensor) => paired(x, b, (one, other) => one / other, false);
  const ofDivisor = (g: Tensor) => times(g, paired(a, b, (x, y) => -x / y ** 2, false));
  return [by(a), (g) => [by(g), ofDivisor(g)]];
};

const power: Operation = (_, x, y) => {
  const slope = () => paired(x, y, (one, by) => by * one ** (by - 1), false);
  return [paired(x, y, (one, by) => one ** by), (g) => [times(g, slope()), null]];
};

const prelu: Operation = (_, x, below) => {
  const slope = paired(x, below, (one, by) => (one > 0 ? 1 : by), false);
  return [times(x, slope), (g) => [times(g, slope), null]];
};

/** Flags, through which nothing flows back. */
function flag(holds: (x: number, y: number) => boolean): Operation {
  return (_, a, b) => [paired(a, b, (x, y) => Number(holds(x, y)), true), nowhere];
}

const clip: Operation = (_, x, low?: Tensor, high?: Tensor) => {
  const least = low?.values[0] ?? -Infinity;
  const most = high?.values[0] ?? Infinity;
  const inside = each(x, (one) => Number(one >= least && one <= most));
  return [each(x, (one) => Math.min(Math.max(one, least), most)), (g) => [times(g, inside)]];
};

const where: Operation = (_, chosen, a, b) => {
  const whole = a.whole && b.whole;
  // so that nothing is multiplied: what is not chosen may be infinite
  const taken = paired(chosen, a, (flag, one) => (flag ? one : 0), whole);
  const other = paired(chosen, b, (flag, one) => (flag ? 0 : one), whole);
  const change = (g: Tensor, of: number) => paired(chosen, g, (flag, one) => (flag === of ? one : 0), false);
  return [paired(taken, other, (x, y) => x + y), (g) => [null, change(g, 1), change(g, 0)]];
};

/** That of torch, 1, where nothing is said; SELU is one that is stretched. */
const elu: Operation = (given, x) => {
  const [alpha, gamma] = [numberOf(given, "alpha", 1), numberOf(given, "gamma", 1)];
  const value = (one: number) => gamma * (one > 0 ? one : alpha * Math.expm1(one));
  return single(value, (one) => gamma * (one > 0 ? 1 : alpha * Math.exp(one)))(given, x);
};

const leaky: Operation = (given, x) => {
  const below = numberOf(given, "alpha", 0.01);
  return single((one) => (one > 0 ? one : below * one), (one) => (one > 0 ? 1 : below))(given, x);
};

function sigmoid(x: number): number {
  const small = Math.exp(-Math.abs(x));
  return (x >= 0 ? 1 : small) / (1 + small);
}

// beyond it log(1 + e^x) is x in float64
const SOFTPLUS_LINEAR = 30;
// from here on the series would take more terms than the fraction
const ERF_SERIES = 2.5;
const ERF_TERMS = 60;

/** The error function, to the last digits of a float64.
 *
 * Abramowitz and Stegun 1964, 7.1.6 (a series for small numbers) and 7.1.14 (a continued fraction).
 */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (size > 6) return Math.sign(x);
  if (size < ERF_SERIES) {
    let [term, sum] = [x, x];
    for (let n = 1; n < ERF_TERMS; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = size;
  for (let n = ERF_TERMS; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-x * x) / (fraction * Math.sqrt(Math.PI)));
}

export const NUMBERS: Record<string, Operation> = {
  Add: add,
  Cast: kept,
  Clip: clip,
  Div: divide,
  Elu: elu,
  Equal: flag((x, y) => x === y),
  Erf: single(erf, (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-(x ** 2))),
  Exp: single(Math.exp, (_, y) => y),
  Greater: flag((x, y) => x > y),
  Identity: kept,
  LeakyRelu: leaky,
  Mul: multiply,
  PRelu: prelu,
  Pow: power,
  Relu: single((x) => Math.max(x, 0), (x) => Number(x > 0)),
  Selu: elu,
  Sigmoid: single(sigmoid, (_, y) => y * (1 - y)),
  Softplus: single((x) => (x > SOFTPLUS_LINEAR ? x : Math.log1p(Math.exp(x))), sigmoid),
  Sqrt: single(Math.sqrt, (_, y) => 0.5 / Math.max(y, 1e-12)),
  Sub: subtract,
  Tanh: single(Math.tanh, (_, y) => 1 - y ** 2),
  Where: where,
};
