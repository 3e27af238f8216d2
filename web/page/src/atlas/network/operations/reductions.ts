/** Sums and the like along axes. */

import { folded, paired, places, sizeOf, spread, tensor, type Tensor } from "../tensor";
import { axisOf, type Given, numberOf, nowhere, type Operation } from "./operation";

/** The shape without these axes, each of which is kept as one. */
function shortened({ shape }: Tensor, axes: readonly number[]): number[] {
  return shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
}

const plus = (sum: number, one: number) => sum + one;
const finite = (one: number) => (Number.isFinite(one) ? one : 0);

function logSum(x: Tensor, axes: readonly number[]): Tensor {
  const shape = shortened(x, axes);
  const top = folded(x, shape, -Infinity, Math.max);
  const parts = paired(x, top, (one, most) => Math.exp(one - finite(most)), false);
  return paired(folded(parts, shape, 0, plus), top, (sum, most) => finite(most) + Math.log(sum), false);
}

const logSoftmax: Operation = (given, x) => {
  const axes = [axisOf(numberOf(given, "axis", -1), x)];
  const found = paired(x, logSum(x, axes), (one, sum) => one - sum, false);
  return [
    found,
    (g) => {
      const along = paired(found, folded(g, shortened(x, axes), 0, plus), (one, sum) => Math.exp(one) * sum, false);
      return [paired(g, along, (one, other) => one - other, false)];
    },
  ];
};

const softmax: Operation = (given, x) => {
  const axes = [axisOf(numberOf(given, "axis", -1), x)];
  const found = paired(x, logSum(x, axes), (one, sum) => Math.exp(one - sum), false);
  return [
    found,
    (g) => {
      const along = folded(paired(g, found, (one, other) => one * other, false), shortened(x, axes), 0, plus);
      return [paired(found, paired(g, along, (one, sum) => one - sum, false), (one, other) => one * other, false)];
    },
  ];
};

/** Answer of what runs over axes, each number of which has a share in it. */
function reduced(given: Given, x: Tensor, axes: readonly number[], found: Tensor, share: Tensor): ReturnType<Operation> {
  const kept = numberOf(given, "keepdims", 1) !== 0;
  const shape = kept ? found.shape : found.shape.filter((_, axis) => !axes.includes(axis));
  return [
    tensor(shape, found.values),
    (g) => [paired(spread(tensor(found.shape, g.values), x.shape), share, (one, part) => one * part, false), null],
  ];
}

const axesOf = (x: Tensor, axes: Tensor) => [...axes.values].map((axis) => axisOf(axis, x));

const reduceLogSum: Operation = (given, x, which) => {
  const axes = axesOf(x, which);
  const found = logSum(x, axes);
  return reduced(given, x, axes, found, paired(x, found, (one, sum) => Math.exp(one - finite(sum)), false));
};

const reduceSum: Operation = (given, x, which) => {
  const axes = axesOf(x, which);
  return reduced(given, x, axes, folded(x, shortened(x, axes), 0, plus), tensor(x.shape, new Float64Array(x.values.length).fill(1)));
};

const reduceMax: Operation = (given, x, which) => {
  const axes = axesOf(x, which);
  const found = folded(x, shortened(x, axes), -Infinity, Math.max);
  const best = paired(x, found, (one, most) => Number(one === most), false);
  return reduced(given, x, axes, found, paired(best, folded(best, shortened(x, axes), 0, plus), (one, all) => one / all, false));
};

const argMax: Operation = (given, x) => {
  const axis = axisOf(numberOf(given, "axis", 0), x);
  const shape = shortened(x, [axis]);
  const at = places(shape, x.shape);
  const step = sizeOf(x.shape.slice(axis + 1));
  const most = new Float64Array(sizeOf(shape)).fill(-Infinity);
  const found = new Float64Array(most.length);
  x.values.forEach((one, i) => {
    if (one <= most[at[i]]) return;
    most[at[i]] = one;
    found[at[i]] = Math.floor(i / step) % x.shape[axis];
  });
  const kept = numberOf(given, "keepdims", 1) !== 0;
  return [tensor(kept ? shape : shape.filter((_, one) => one !== axis), found, true), nowhere];
};

export const REDUCTIONS: Record<string, Operation> = {
  ArgMax: argMax,
  LogSoftmax: logSoftmax,
  ReduceLogSumExp: reduceLogSum,
  ReduceMax: reduceMax,
  ReduceSum: reduceSum,
  Softmax: softmax,
};
