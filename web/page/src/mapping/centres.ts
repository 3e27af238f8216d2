/** Groups of cells that lie near each other in the latent.
 *
 * Same as `runtime/mapping/annotate/centres.py` of the Python package: k-means, started as k-means++.
 */

import decisions from "../decisions";
import { drawn } from "./random";

const { groups } = decisions;
/** Cells looked at before the next sign of life. */
const RUN = 4096;

/** Rows of one width. */
export interface Rows {
  width: number;
  values: Float32Array;
}

/** Centres among cells; `alive` is called all the while. */
export function findCentres(latent: Rows, n: number, alive: () => void): Rows {
  const { width } = latent;
  let centres = { width, values: started(latent, n, alive) };
  for (let step = 0; step < groups.steps.value; step++) {
    centres = moved(latent, centres, nearestCentre(centres, latent, alive));
  }
  return centres;
}

function moved(latent: Rows, { width, values }: Rows, nearest: Int32Array): Rows {
  const cells = new Float64Array(values.length / width);
  const sums = new Float64Array(values.length);
  nearest.forEach((centre, cell) => {
    cells[centre]++;
    for (let d = 0; d < width; d++) sums[centre * width + d] += latent.values[cell * width + d];
  });
  // a centre that lost its cells stays where it was
  const at = (i: number) => cells[Math.floor(i / width)];
  return { width, values: values.map((old, i) => (at(i) ? sums[i] / at(i) : old)) };
}

/** The centre next to each cell, the first of equally near ones, in float32 throughout. */
export function nearestCentre(centres: Rows, latent: Rows, alive: () => void): Int32Array {
  const { width } = centres;
  const n = centres.values.length / width;
  // the inner loop runs over centres
  const across = centres.values.map((_, i) => centres.values[(i % n) * width + Math.floor(i / n)]);
  const squared = new Float32Array(n);
  const found = new Int32Array(latent.values.length / width);
  for (let cell = 0; cell < found.length; cell++) {
    if (cell % RUN === 0) alive();
    squared.fill(0);
    for (let d = 0; d < width; d++) {
      const at = latent.values[cell * width + d];
      for (let c = 0, from = d * n; c < n; c++, from++) {
        const gap = Math.fround(across[from] - at);
        squared[c] += Math.fround(gap * gap);
      }
    }
    let best = 0;
    for (let c = 1; c < n; c++) if (squared[c] < squared[best]) best = c;
    found[cell] = best;
  }
  return found;
}

/** Cells to start from, each drawn by its squared distance from those before. */
function started({ width, values }: Rows, n: number, alive: () => void): Float32Array {
  const cells = values.length / width;
  const random = drawn();
  const squared = new Float64Array(cells).fill(Infinity);
  const total = new Float64Array(cells);
  const gaps = new Float64Array(width);
  const out = new Float32Array(n * width);
  let last = 0;
  out.set(values.subarray(0, width));
  for (let i = 1; i < n; i++) {
    alive();
    for (let cell = 0, sum = 0; cell < cells; cell++) {
      for (let d = 0; d < width; d++) {
        const gap = Math.fround(values[cell * width + d] - values[last * width + d]);
        gaps[d] = gap * gap;
      }
      squared[cell] = Math.min(squared[cell], pairwise(gaps, 0, width));
      sum += squared[cell];
      total[cell] = sum;
    }
    const wanted = random.next().value * total[cells - 1];
    last = Math.min(firstAbove(total, wanted), cells - 1);
    out.set(values.subarray(last * width, (last + 1) * width), i * width);
  }
  return out;
}

/** The position of the first of ascending numbers above one, or their number. */
function firstAbove(ascending: Float64Array, wanted: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] > wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** A sum in the order of numpy's, to the last bit. */
function pairwise(values: Float64Array, start: number, n: number): number {
  if (n > 128) {
    const half = (n >> 1) - ((n >> 1) % 8);
    return pairwise(values, start, half) + pairwise(values, start + half, n - half);
  }
  let sum = 0;
  let at = start;
  if (n >= 8) {
    const eight = values.slice(start, start + 8);
    for (at += 8; at < start + n - (n % 8); at++) eight[(at - start) % 8] += values[at];
    const [a, b, c, d, e, f, g, h] = eight;
    sum = a + b + (c + d) + (e + f + (g + h));
  }
  for (; at < start + n; at++) sum += values[at];
  return sum;
}
