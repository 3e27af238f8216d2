/** A linear model of samples, of which one coefficient is asked for.
 *
 * What is held even is taken out of the column that is asked for, and out of the values: what is left of both has the
 * same slope as the whole model (Frisch and Waugh 1933, Econometrica 1:387).
 */

// of a column's length, below which what is left of it is rounding
const NOTHING = 1e-9;

export interface Model {
  /** Orthonormal columns, [samples] each, of what is held even: a constant, pairs, batches. */
  held: readonly Float64Array[];
  /** What is left of the column that is asked for; null where the others tell all of it. */
  left: Float64Array | null;
  /** Degrees of freedom that are left to judge by. */
  freedom: number;
}

export interface Fit {
  estimate: number;
  /** Of what the model does not tell, squared and summed. */
  residual: number;
}

/** A constant and the columns of names, which are told apart, beside the column that is asked for. */
export function modelOf(asked: ArrayLike<number>, held: readonly (readonly string[] | null)[]): Model {
  const basis: Float64Array[] = [];
  const add = (column: ArrayLike<number>) => {
    const left = without(column, basis);
    const length = Math.sqrt(dot(left, left));
    if (isThere(left, column)) basis.push(left.map((one) => one / length));
  };
  add(new Float64Array(asked.length).fill(1));
  for (const names of held) {
    for (const name of [...new Set(names ?? [])].sort().slice(1)) add(names!.map((one) => Number(one === name)));
  }
  const left = without(asked, basis);
  const told = isThere(left, asked);
  return { held: basis, left: told ? left : null, freedom: asked.length - basis.length - Number(told) };
}

/** The slope of values, [samples], and what is left of them. */
export function fit({ held, left }: Model & { left: Float64Array }, values: ArrayLike<number>): Fit {
  const rest = without(values, held);
  const estimate = dot(left, rest) / dot(left, left);
  const residual = rest.map((one, at) => one - estimate * left[at]);
  return { estimate, residual: dot(residual, residual) };
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
}

/** A column less what others tell of it; twice, for what rounding left. */
function without(column: ArrayLike<number>, basis: readonly Float64Array[]): Float64Array {
  const left = Float64Array.from(column);
  for (const one of [...basis, ...basis]) {
    const by = dot(left, one);
    left.forEach((_, at) => (left[at] -= by * one[at]));
  }
  return left;
}

const isThere = (left: Float64Array, column: ArrayLike<number>) => dot(left, left) > NOTHING ** 2 * dot(column, column);
