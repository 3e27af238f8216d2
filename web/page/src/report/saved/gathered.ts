/** What the cells of a mapping came to, for a report: counts by outcome, and cells to draw.
 *
 * Same as `runtime/mapping/gather/findings.py` and `paths.py` of the Python package.
 */

import { clustersOf, edgeNames, graphOf, type Manifest, terminalNames } from "../../atlas/manifest";
import decisions from "../../decisions";
import { bottomK } from "../../mapping/bottom_k";
import type { Results } from "../../mapping/results";
import { type Call, OUTCOMES } from "../findings";

const { columns, values } = decisions;
// a picture of more dots shows no more
export const SAMPLED = 5000;
export const BINS = 20;
/** Parts of an edge that cells are counted in. */
export const EDGE_BINS = 10;
/** A cell is bound for a terminal state when its fate is that one with such a probability. */
export const BOUND = 0.8;
const SIZES = 4;

/** Some of the cells, chosen by their position alone. */
export interface Sample {
  /** x and y of each. */
  point: Float32Array;
  /** Codes of the calls; -1 without labels. */
  call: Int32Array;
  novel: Uint8Array;
  /** NaN off the trajectory and without one. */
  time: Float32Array;
}

export interface Gathered {
  labels: readonly string[];
  queries: readonly string[];
  /** Cells of each label, and of each query, by outcome. */
  byLabel: number[][];
  byQuery: number[][];
  /** By probability: called a type, and not. */
  probBins: number[][];
  meanProb: number;
  /** By labels in their set: none, one, two, more. */
  setSizes: number[];
  novelByLabel: number[];
  noveltyBins: number[];
  sample: Sample;
  /** Cells of each cluster by call, in the last column those without. */
  clusters: readonly string[];
  byCluster: number[][];
  edges: readonly string[];
  byEdge: number[][];
  /** Cells on the trajectory, the mean deviation of their pseudotime, and where they are bound. */
  nOn: number;
  meanSd: number;
  terminals: readonly string[];
  bound: number[];
}

export function gather(results: Results, calls: readonly Call[], manifest: Manifest): Gathered {
  return { ...aboutLabels(results, calls), ...aboutPaths(results, calls, manifest), sample: sampleOf(results) };
}

function aboutLabels(results: Results, calls: readonly Call[]) {
  const n = results.done;
  const label = results.category(columns.label);
  const query = results.category(columns.query);
  const call = results.category(results.call);
  const [prob, novelty] = [results.float(columns.prob), results.float(columns.novelty_p)];
  const novel = results.flag(columns.novel);
  const set = results.category(columns.label_set);
  const sizes = set?.categories.map((text) => (text ? text.split(values.joined_by).length : 0));
  const outcomes = calls.map(({ outcome }) => OUTCOMES.indexOf(outcome));
  const found = {
    labels: label?.categories ?? [],
    queries: query?.categories ?? [],
    byLabel: table(label?.categories.length ?? 0, OUTCOMES.length),
    byQuery: table(query?.categories.length ?? 0, OUTCOMES.length),
    probBins: table(BINS, 2),
    meanProb: 0,
    setSizes: new Array<number>(SIZES).fill(0),
    novelByLabel: new Array<number>(label?.categories.length ?? 0).fill(0),
    noveltyBins: new Array<number>(BINS).fill(0),
  };
  for (let cell = 0; cell < n; cell++) {
    if (novelty && !Number.isNaN(novelty[cell])) found.noveltyBins[bin(novelty[cell])]++;
    if (!label || !call) continue;
    const outcome = outcomes[call.values[cell]];
    found.byLabel[label.values[cell]][outcome]++;
    if (novel?.[cell]) found.novelByLabel[label.values[cell]]++;
    if (query) found.byQuery[query.values[cell]][outcome]++;
    if (set && sizes) found.setSizes[Math.min(sizes[set.values[cell]], SIZES - 1)]++;
    if (!prob) continue;
    found.meanProb += prob[cell] / Math.max(n, 1);
    if (!Number.isNaN(prob[cell])) found.probBins[bin(prob[cell])][outcome === 0 ? 0 : 1]++;
  }
  return found;
}

function bin(share: number): number {
  return Math.min(Math.max(Math.floor(share * BINS), 0), BINS - 1);
}

function table(rows: number, width: number): number[][] {
  return Array.from({ length: rows }, () => new Array<number>(width).fill(0));
}

function aboutPaths(results: Results, calls: readonly Call[], manifest: Manifest) {
  const graph = graphOf(manifest);
  const cluster = results.category(columns.cluster);
  const call = results.category(results.call);
  const edge = results.category(columns.edge);
  const [along, sd] = [results.float(columns.edge_fraction), results.float(columns.pseudotime_sd)];
  const fate = results.matrices.get(columns.fate);
  const found = {
    clusters: cluster ? clustersOf(manifest) : [],
    byCluster: table(cluster ? clustersOf(manifest).length : 0, calls.length + 1),
    edges: edge && graph ? edgeNames(graph) : [],
    byEdge: table(edge && graph ? graph.edges.length : 0, EDGE_BINS),
    nOn: 0,
    meanSd: 0,
    terminals: fate && graph ? terminalNames(graph) : [],
    bound: new Array<number>(fate?.width ?? 0).fill(0),
  };
  for (let cell = 0; cell < results.done; cell++) {
    const group = cluster?.values[cell] ?? -1;
    if (group >= 0) found.byCluster[group][call ? call.values[cell] : calls.length]++;
    if (edge && along && sd && edge.values[cell] >= 0) {
      const step = Math.floor((along[cell] || 0) * EDGE_BINS);
      found.byEdge[edge.values[cell]][Math.min(Math.max(step, 0), EDGE_BINS - 1)]++;
      found.nOn++;
      found.meanSd += sd[cell];
    }
    found.bound.forEach((_, end) => {
      if (fate!.values[cell * fate!.width + end] >= BOUND) found.bound[end]++;
    });
  }
  found.meanSd /= Math.max(found.nOn, 1);
  return found;
}

function sampleOf(results: Results): Sample {
  const cells = bottomK(Array.from({ length: results.done }, (_, cell) => cell), SAMPLED).sort();
  const { places } = results;
  const call = results.category(results.call);
  const novel = results.flag(columns.novel);
  const time = results.float(columns.pseudotime);
  const point = new Float32Array(2 * cells.length).fill(NaN);
  if (places.length) cells.forEach((cell, i) => point.set(places.subarray(2 * cell, 2 * cell + 2), 2 * i));
  return {
    point,
    call: cells.map((cell) => call?.values[cell] ?? -1),
    novel: Uint8Array.from(cells, (cell) => novel?.[cell] ?? 0),
    time: Float32Array.from(cells, (cell) => time?.[cell] ?? NaN),
  };
}
