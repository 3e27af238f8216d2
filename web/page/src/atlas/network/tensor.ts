/** Numbers in rows and columns, and how some are repeated to fit others, as numpy does. */

export interface Tensor {
  shape: readonly number[];
  values: Float64Array;
  /** Of whole numbers or flags, whose quotients are whole too. */
  whole: boolean;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function tensor(shape: readonly number[], values: Float64Array, whole = false): Tensor {
  return { shape, values, whole };
}

/** Positions of numbers that stand so many steps apart along each axis. */
export function walk(extents: readonly number[], steps: readonly number[], start = 0): Int32Array {
  let found = Int32Array.of(start);
  extents.forEach((extent, axis) => {
    const next = new Int32Array(found.length * extent);
    found.forEach((at, i) => {
      for (let k = 0; k < extent; k++) next[i * extent + k] = at + k * steps[axis];
    });
    found = next;
  });
  return found;
}

/** How far apart neighbours along each axis stand. */
export function strides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** How far apart, along each axis of `wide`, the numbers of `shape` that are repeated there stand. */
function repeating(shape: readonly number[], wide: readonly number[]): number[] {
  const own = strides(shape);
  const extra = wide.length - shape.length;
  return wide.map((extent, axis) => {
    if (axis < extra) return 0;
    const { [axis - extra]: narrow } = shape;
    if (narrow !== extent && narrow !== 1) throw new RangeError("shapes that do not fit");
    return narrow === 1 ? 0 : own[axis - extra];
  });
}

/** For each number of `wide`, the position of the one of `shape` that is repeated there. */
export function places(shape: readonly number[], wide: readonly number[]): Int32Array {
  return walk(wide, repeating(shape, wide));
}

/** The same for the first number of each row, and how far apart those of a row stand. */
function rowPlaces(shape: readonly number[], wide: readonly number[]): [Int32Array, number] {
  const steps = repeating(shape, wide);
  return [walk(wide.slice(0, -1), steps.slice(0, -1)), steps.at(-1) ?? 0];
}

/** The shape that both are repeated to. */
export function widest(a: readonly number[], b: readonly number[]): number[] {
  const axes = Math.max(a.length, b.length);
  const of = (shape: readonly number[], axis: number) => shape[axis - axes + shape.length] ?? 1;
  return Array.from({ length: axes }, (_, axis) => (of(a, axis) === 1 ? of(b, axis) : of(a, axis)));
}

/** A function of each number of both, repeated to fit. */
export function paired(a: Tensor, b: Tensor, of: (x: number, y: number) => number, whole = a.whole && b.whole): Tensor {
  const shape = widest(a.shape, b.shape);
  const [[left, apart], [right, apartRight]] = [rowPlaces(a.shape, shape), rowPlaces(b.shape, shape)];
  const width = shape.at(-1) ?? 1;
  const values = new Float64Array(left.length * width);
  for (let row = 0, i = 0; row < left.length; row++) {
    let [x, y] = [left[row], right[row]];
    for (let k = 0; k < width; k++, x += apart, y += apartRight) values[i++] = of(a.values[x], b.values[y]);
  }
  return { shape, values, whole };
}

export function each(x: Tensor, of: (x: number) => number): Tensor {
  const values = new Float64Array(x.values.length);
  for (let i = 0; i < values.length; i++) values[i] = of(x.values[i]);
  return { ...x, values };
}

/** Numbers repeated to a shape. */
export function spread(x: Tensor, shape: readonly number[]): Tensor {
  return paired(x, tensor(shape, new Float64Array(sizeOf(shape))), (one) => one, false);
}

/** Numbers put together where a narrow shape is repeated, beginning with `start`. */
export function folded(
  x: Tensor,
  shape: readonly number[],
  start: number,
  of: (sum: number, one: number) => number,
): Tensor {
  const [rows, apart] = rowPlaces(shape, x.shape);
  const width = x.shape.at(-1) ?? 1;
  const found = new Float64Array(sizeOf(shape)).fill(start);
  for (let row = 0, i = 0; row < rows.length; row++) {
    for (let k = 0, at = rows[row]; k < width; k++, at += apart) found[at] = of(found[at], x.values[i++]);
  }
  return tensor(shape, found);
}

/** Sums over what was repeated to fit. */
export function narrowed(x: Tensor, shape: readonly number[]): Tensor {
  const same = x.shape.length === shape.length && x.shape.every((extent, axis) => extent === shape[axis]);
  return same ? x : folded(x, shape, 0, (sum, one) => sum + one);
}
