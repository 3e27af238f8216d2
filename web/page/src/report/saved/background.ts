/** The reference behind a report: where its cells lie on the map.
 *
 * Part of `runtime/report/background.py` of the Python package; `mapping/spread.ts` is the rest.
 */

import { hasReference } from "../../atlas/manifest";
import type { Parts } from "../../atlas/parts";
import { bottomK } from "../../mapping/bottom_k";
import { SAMPLED } from "./gathered";

export interface Background {
  nCells: number;
  /** x and y of some of the cells. */
  point: Float32Array;
  /** [labels], median of the cells of each on the map; NaN of a label without any. */
  centre: [number, number][];
}

/** Null for an atlas without reference cells. */
export async function readBackground(parts: Parts): Promise<Background | null> {
  const { manifest } = parts;
  if (!hasReference(manifest)) return null;
  const point = (await parts.array("reference_umap")).data as Float32Array;
  const label = (await parts.array("reference_label")).data;
  const nCells = label.length;
  const drawn = bottomK(Array.from({ length: nCells }, (_, cell) => cell), SAMPLED);
  const some = new Float32Array(2 * drawn.length);
  drawn.forEach((cell, i) => some.set(point.subarray(2 * cell, 2 * cell + 2), 2 * i));
  return { nCells, point: some, centre: centres(point, label, manifest.labels.length) };
}

function centres(point: Float32Array, label: ArrayLike<number>, labels: number): [number, number][] {
  const members = Array.from({ length: labels }, (): number[] => []);
  for (let cell = 0; cell < label.length; cell++) members[label[cell]]?.push(cell);
  const middle = (cells: number[], axis: number) =>
    quantile(cells.map((cell) => point[2 * cell + axis]).sort((a, b) => a - b), 0.5);
  return members.map((cells) => [middle(cells, 0), middle(cells, 1)]);
}

/** Of sorted numbers, linearly between two, as numpy has it; NaN of none. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (!sorted.length) return NaN;
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}
