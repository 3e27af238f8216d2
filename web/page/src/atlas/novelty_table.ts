/** Novelty scores to p-values against held-out reference cells of like depth and coverage.
 *
 * Same as `runtime/atlas/novelty_table.py` of the Python package.
 */

import decisions from "../decisions";
import { refusal } from "./manifest";
import type { Parts } from "./parts";

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

/** Read the table of an atlas; refuses one that is empty or not in order. */
export async function readNoveltyTable(parts: Parts): Promise<NoveltyTable> {
  const names = ["p", "share", "depth", "score"];
  const arrays = await Promise.all(names.map((name) => parts.array(`novelty_${name}`)));
  const [p, share, depth, score] = arrays.map(({ data }) => data as Float32Array);
  const [shares, bins, levels] = arrays[3].shape;
  const cut = (values: Float32Array, width: number) =>
    Array.from({ length: width && values.length / width }, (_, row) =>
      values.subarray(row * width, (row + 1) * width),
    );
  const [depths, scores] = [cut(depth, bins), cut(score, levels)];
  const rising = [p.map((value) => -value), share, ...depths, ...scores].every(isRising);
  if (levels < 2 || !depth.length || !rising || !(p[levels - 1] > 0)) {
    throw refusal(decisions.format.novelty_table);
  }
  return {
    logP: Float64Array.from(p, Math.log),
    share,
    depth: depths,
    score: Array.from({ length: shares }, (_, row) => scores.slice(row * bins, (row + 1) * bins)),
  };
}

function isRising(values: Float32Array): boolean {
  const steps = values.subarray(1).map((value, i) => value - values[i]);
  return steps.every((step) => Number.isFinite(step) && step >= 0);
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
