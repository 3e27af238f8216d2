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

/** For each number of `wide`, the position of the one of `shape` that is repeated there. */
export function places(shape: readonly number[], wide: readonly number[]): Int32Array {
  const own = strides(shape);
  const extra = wide.length - shape.length;
  const steps = wide.map((extent, axis) => {
    if (axis < extra) return 0;
    const { [axis - extra]: narrow } = shape;
    if (narrow !== extent && narrow !== 1) throw new RangeError("shapes that do not fit");
    return narrow === 1 ? 0 : own[axis - extra];
  });
  return walk(wide, steps);
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
  const [left, right] = [places(a.shape, shape), places(b.shape, shape)];
  const values = new Float64Array(left.length);
  for (let i = 0; i < values.length; i++) values[i] = of(a.values[left[i]], b.values[right[i]]);
  return { shape, values, whole };
}

export function each(x: Tensor, of: (x: number) => number): Tensor {
  return { ...x, values: x.values.map(of) };
}

/** Numbers repeated to a shape. */
export function spread(x: Tensor, shape: readonly number[]): Tensor {
  const values = Float64Array.from(places(x.shape, shape), (at) => x.values[at]);
  return { shape, values, whole: false };
}

/** Sums over what was repeated to fit. */
export function narrowed({ shape: wide, values }: Tensor, shape: readonly number[]): Tensor {
  if (wide.length === shape.length && wide.every((extent, axis) => extent === shape[axis])) {
    return tensor(shape, values);
  }
  const found = new Float64Array(sizeOf(shape));
  places(shape, wide).forEach((at, i) => (found[at] += values[i]));
  return tensor(shape, found);
}
