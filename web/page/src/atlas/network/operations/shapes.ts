/** Parts of numbers, and the same numbers in other shapes. */

import { sizeOf, spread, strides, tensor, type Tensor, walk, widest } from "../tensor";
import { axisOf, numberOf, nowhere, type Operation } from "./operation";

/** The first and how many, as Python's `slice(start, stop, step).indices(extent)`. */
function cutOf(start: number, stop: number, step: number, extent: number): [number, number] {
  const [low, high] = step > 0 ? [0, extent] : [-1, extent - 1];
  const within = (at: number) => Math.min(Math.max(at < 0 ? at + extent : at, low), high);
  const first = within(start);
  return [first, Math.max(0, Math.ceil((within(stop) - first) / step))];
}

const slice: Operation = (_, x, starts, ends, axes?: Tensor, steps?: Tensor) => {
  const extents = [...x.shape];
  const own = strides(x.shape);
  const apart = [...own];
  let first = 0;
  starts.values.forEach((start, i) => {
    const axis = axisOf(axes?.values[i] ?? i, x);
    const step = steps?.values[i] ?? 1;
    const [from, n] = cutOf(start, ends.values[i], step, x.shape[axis]);
    first += from * own[axis];
    extents[axis] = n;
    apart[axis] = own[axis] * step;
  });
  const at = walk(extents, apart, first);
  const found = tensor(extents, Float64Array.from(at, (place) => x.values[place]), x.whole);
  return [
    found,
    (g) => {
      const whole = new Float64Array(x.values.length);
      at.forEach((place, i) => (whole[place] += g.values[i]));
      return [tensor(x.shape, whole)];
    },
  ];
};

const unsqueeze: Operation = (_, x, axes) => {
  const all = x.shape.length + axes.values.length;
  const added = [...axes.values].map((axis) => (axis < 0 ? axis + all : axis));
  const rest = [...x.shape];
  const shape = Array.from({ length: all }, (_, axis) => (added.includes(axis) ? 1 : rest.shift()!));
  return [tensor(shape, x.values, x.whole), (g) => [tensor(x.shape, g.values)]];
};

const concat: Operation = (given, ...parts) => {
  const axis = axisOf(numberOf(given, "axis", 0), parts[0]);
  const runs = parts.map(({ shape }) => sizeOf(shape.slice(axis)));
  const rows = sizeOf(parts[0].shape.slice(0, axis));
  const run = runs.reduce((sum, one) => sum + one, 0);
  const shape = [...parts[0].shape];
  shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis], 0);
  const found = new Float64Array(rows * run);
  const starts = runs.map((_, i) => runs.slice(0, i).reduce((sum, one) => sum + one, 0));
  for (let row = 0; row < rows; row++) {
    parts.forEach(({ values }, i) => found.set(values.subarray(row * runs[i], (row + 1) * runs[i]), row * run + starts[i]));
  }
  const back = (g: Tensor) =>
    parts.map((part, i) => {
      const values = new Float64Array(part.values.length);
      for (let row = 0; row < rows; row++) {
        const from = row * run + starts[i];
        values.set(g.values.subarray(from, from + runs[i]), row * runs[i]);
      }
      return tensor(part.shape, values);
    });
  return [tensor(shape, found, parts.every(({ whole }) => whole)), back];
};

const shapeOf: Operation = (_, x) => [tensor([x.shape.length], Float64Array.from(x.shape), true), nowhere];
const expand: Operation = (_, x, shape) => [spread(x, widest(x.shape, [...shape.values])), (g) => [g, null]];

export const SHAPES: Record<string, Operation> = {
  Concat: concat,
  Expand: expand,
  Shape: shapeOf,
  Slice: slice,
  Unsqueeze: unsqueeze,
};
