/** Novelty scores to p-values against held-out reference cells of like depth and coverage.
 *
 * Same as `runtime/novelty.py` of the Python package.
 */

import type { NpyArray } from "../atlas/npy";
import { AtlasError } from "../errors";

export interface NoveltyTable {
  /** [levels], descending from 1. */
  logP: Float64Array;
  /** [shares], ascending. */
  share: Float32Array;
  /** [shares][bins], ascending log1p of counts. */
  depth: Float32Array[];
  /** [shares][bins][levels], ascending along levels. */
  score: Float32Array[][];
}

export function noveltyTable(
  p: NpyArray,
  share: NpyArray,
  depth: NpyArray,
  score: NpyArray,
): NoveltyTable {
  const [shares, bins, levels] = score.shape;
  const fits =
    score.shape.length === 3 &&
    p.data.length === levels &&
    levels > 1 &&
    share.data.length === shares &&
    depth.shape.length === 2 &&
    depth.shape[0] === shares &&
    depth.shape[1] === bins &&
    p.data[levels - 1] > 0;
  if (!fits) throw new AtlasError("The atlas's novelty table is malformed; publish it again.");
  const depths = depth.data as Float32Array;
  const scores = score.data as Float32Array;
  const rows = Array.from({ length: shares }, (_, s) => s);
  return {
    logP: Float64Array.from(p.data, Math.log),
    share: share.data as Float32Array,
    depth: rows.map((s) => depths.subarray(s * bins, (s + 1) * bins)),
    score: rows.map((s) =>
      Array.from({ length: bins }, (_, b) =>
        scores.subarray((s * bins + b) * levels, (s * bins + b + 1) * levels),
      ),
    ),
  };
}

/** Share of comparable held-out reference cells that are at least as strange. */
export function noveltyP(
  table: NoveltyTable,
  score: number,
  library: number,
  measuredShare: number,
): number {
  const [below, above, weight] = between(table.share, measuredShare);
  const lower = atShare(table, below, score, library);
  const p = weight ? (1 - weight) * lower + weight * atShare(table, above, score, library) : lower;
  return Math.fround(p);
}

function atShare(table: NoveltyTable, row: number, score: number, library: number): number {
  const [below, above, weight] = between(table.depth[row], Math.log1p(library));
  const low = interpolate(score, table.score[row][below], table.logP);
  const high = interpolate(score, table.score[row][above], table.logP);
  return Math.exp((1 - weight) * low + weight * high);
}

function interpolate(x: number, at: Float32Array, values: Float64Array): number {
  const last = at.length - 1;
  if (x >= at[last]) return values[last];
  if (!(x >= at[0])) return values[0];
  // the last node that is not above x, as numpy's interp takes it
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at[middle] <= x) low = middle;
    else high = middle;
  }
  const gap = at[high] - at[low];
  return gap > 0 ? values[low] + ((values[high] - values[low]) * (x - at[low])) / gap : values[low];
}

/** Nodes below and above a position, and the weight of the one above. */
function between(nodes: Float32Array, at: number): [number, number, number] {
  let above = nodes.findIndex((node) => node >= at);
  if (above < 0) above = nodes.length - 1;
  const below = Math.max(above - 1, 0);
  const gap = Math.max(nodes[above] - nodes[below], 1e-6);
  return [below, above, Math.min(Math.max((at - nodes[below]) / gap, 0), 1)];
}
