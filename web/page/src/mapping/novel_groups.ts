/** Groups among the cells unlike the atlas, and the genes that set them apart.
 *
 * Same as `runtime/mapping/gather/novel_groups.py` of the Python package.
 */

import { type Manifest, panelNames } from "../atlas/manifest";
import decisions, { say } from "../decisions";
import { toEven } from "../words";
import { bottomK } from "./bottom_k";
import type { KeptCounts } from "./kept_counts";
import { averageLinkage } from "./linkage";

export interface NovelGroup {
  /** Positions of its cells in the query. */
  cells: Int32Array;
  sentence: string;
  /** Genes that they express and the label most of them got does not, the largest difference first. */
  markers: string[];
}

export interface NovelInput {
  manifest: Manifest;
  /** [labels, genes], mean log-normalised value. */
  labelMean: Float32Array;
  referenceLatent: Float32Array;
  referenceLabel: ArrayLike<number>;
  /** [cells], positions in the labels; one more for empty cells. */
  label: Int32Array;
  novel: Uint8Array;
  /** [cells, latent] */
  latent: Float32Array;
  measured: Uint8Array;
  counts: KeptCounts;
}

const { novel_groups: rules } = decisions;
const [CLEAR, COMMON] = [rules.clear.value, rules.common.value];
const MARKERS = 10;
const MOST_LINKED = rules.most_linked.value;

/** Some of the cells, as `runtime/mapping/gather/novel_groups.py` keeps them, and what all are. */
interface Sampled {
  novel: Int32Array;
  known: Int32Array;
  /** Novel cells for each that is in the sample. */
  scale: number;
}

export function novelGroups(input: NovelInput): NovelGroup[] {
  const { manifest, label, novel } = input;
  const nLabels = Math.max(1, manifest.labels.length);
  const ofLabel = new Float64Array(nLabels);
  const novelOfLabel = new Float64Array(nLabels);
  const [strange, known]: number[][] = [[], []];
  label.forEach((code, cell) => {
    if (code >= nLabels) return;
    ofLabel[code]++;
    novelOfLabel[code] += novel[cell];
    (novel[cell] ? strange : known).push(cell);
  });
  const { value: smallest } = rules.smallest;
  if (strange.length < smallest) return [];
  const cells = bottomK(strange, rules.most_novel.value);
  const sampled = {
    novel: cells,
    known: bottomK(known, rules.most_known.value),
    scale: strange.length / cells.length,
  };
  const groups = groupLatents(input.latent, cells, manifest.n_latent, typeDistance(input));
  const members = groups.centres.map((): number[] => []);
  cells.forEach((cell, i) => members[groups.code[i]].push(cell));
  const found = members.filter((rows) => {
    const chance = rows.reduce(
      (sum, cell) =>
        sum + (manifest.thresholds.novelty_p * ofLabel[label[cell]]) / novelOfLabel[label[cell]],
      0,
    );
    return rows.length >= smallest && rows.length > rules.by_chance.value * chance;
  });
  // of equals, that of the first cell comes first
  const place = new Map(Array.from(cells, (cell, i) => [cell, i]));
  found.sort((a, b) => b.length - a.length || place.get(a[0])! - place.get(b[0])!);
  const whole = withOthers(found, members, strange, cells, groups.centres, input);
  return describe(input, sampled, found).map((described, i) => ({
    cells: Int32Array.from(whole[i]),
    ...described,
  }));
}

/** The groups with the novel cells that are not in the sample: each is of the nearest centre. */
function withOthers(
  found: readonly number[][],
  members: readonly number[][],
  strange: readonly number[],
  sampled: Int32Array,
  centres: readonly Float64Array[],
  { latent, manifest }: NovelInput,
): readonly number[][] {
  if (sampled.length === strange.length) return found;
  const seen = new Set(sampled);
  const whole = new Map(found.map((rows) => [rows, [...rows]]));
  for (const cell of strange) {
    if (seen.has(cell)) continue;
    whole.get(members[nearest(latent, cell, manifest.n_latent, centres)])?.push(cell);
  }
  return found.map((rows) => whole.get(rows)!.sort((a, b) => a - b));
}

interface Groups {
  /** [cells], which group each is of. */
  code: Int32Array;
  centres: Float64Array[];
}

/** Average linkage of up to 2,000 cells, cut; the others join the nearest centre. */
function groupLatents(
  latent: Float32Array,
  cells: Int32Array,
  width: number,
  distance: number,
): Groups {
  const step = Math.ceil(cells.length / MOST_LINKED);
  const linked = [...cells.filter((_, i) => i % step === 0)];
  const code = averageLinkage(latent, linked, width, rules.apart.value * distance);
  const n = Math.max(...code) + 1;
  const centres = Array.from({ length: n }, () => new Float64Array(width));
  const sizes = new Float64Array(n);
  linked.forEach((cell, i) => {
    sizes[code[i]]++;
    for (let d = 0; d < width; d++) centres[code[i]][d] += latent[cell * width + d];
  });
  centres.forEach((centre, g) => centre.forEach((sum, d) => (centre[d] = sum / sizes[g])));
  if (linked.length === cells.length) return { code, centres };
  return { code: cells.map((cell) => nearest(latent, cell, width, centres)), centres };
}

function nearest(
  latent: Float32Array,
  cell: number,
  width: number,
  centres: readonly Float64Array[],
): number {
  let best = 0;
  let least = Infinity;
  centres.forEach((centre, g) => {
    let apart = 0;
    for (let d = 0; d < width; d++) apart += (latent[cell * width + d] - centre[d]) ** 2;
    if (apart < least) [best, least] = [g, apart];
  });
  return best;
}

/**
 * Median distance from the centre of a type to the nearest other one; with fewer than two types the
 * root mean square distance of the cells to their middle.
 */
function typeDistance({ manifest, referenceLatent, referenceLabel }: NovelInput): number {
  const width = manifest.n_latent;
  const centres = typeCentres(referenceLatent, referenceLabel, manifest.labels.length, width);
  if (centres.length < 2) return spreadAroundMiddle(referenceLatent, width);
  const nearest = centres.map((one, i) =>
    Math.min(...centres.map((other, j) => (i === j ? Infinity : squareDistance(one, other)))),
  );
  nearest.sort((x, y) => x - y);
  const middle = nearest.length >> 1;
  const odd = nearest.length % 2 === 1;
  return Math.sqrt(odd ? nearest[middle] : (nearest[middle - 1] + nearest[middle]) / 2);
}

function typeCentres(
  latent: Float32Array,
  label: ArrayLike<number>,
  labels: number,
  width: number,
): Float64Array[] {
  const sizes = new Float64Array(labels);
  const centres = Array.from({ length: labels }, () => new Float64Array(width));
  for (let cell = 0; cell < label.length; cell++) {
    const code = label[cell];
    if (code < 0) continue;
    sizes[code]++;
    for (let d = 0; d < width; d++) centres[code][d] += latent[cell * width + d];
  }
  centres.forEach((centre, g) => centre.forEach((sum, d) => (centre[d] = sum / sizes[g])));
  return centres.filter((_, g) => sizes[g] > 0);
}

function squareDistance(one: Float64Array, other: Float64Array): number {
  return one.reduce((sum, value, d) => sum + (value - other[d]) ** 2, 0);
}

function spreadAroundMiddle(latent: Float32Array, width: number): number {
  const n = latent.length / width;
  const middle = new Float64Array(width);
  for (let i = 0; i < latent.length; i++) middle[i % width] += latent[i] / n;
  let square = 0;
  for (let i = 0; i < latent.length; i++) square += (latent[i] - middle[i % width]) ** 2 / n;
  return Math.sqrt(square);
}

function describe(
  input: NovelInput,
  { known: sample, scale }: Sampled,
  groups: readonly number[][],
): Omit<NovelGroup, "cells">[] {
  const { manifest, labelMean, label, measured, counts } = input;
  const names = panelNames(manifest);
  const nGenes = names.length;
  const NONE = -1;
  const KNOWN = groups.length;
  const groupOf = new Int32Array(label.length).fill(NONE);
  groups.forEach((cells, g) => cells.forEach((cell) => (groupOf[cell] = g)));
  sample.forEach((cell) => (groupOf[cell] = KNOWN));
  const sums = Array.from({ length: KNOWN + 1 }, () => new Float64Array(nGenes));
  const having = Array.from({ length: KNOWN + 1 }, () => new Float64Array(nGenes));
  counts.forEach((cell, gene, value) => {
    const g = groupOf[cell];
    if (g === NONE) return;
    sums[g][gene] += value;
    if (value > 0) having[g][gene]++;
  });
  // how far the query as a whole lies from the atlas, gene by gene
  const shift = new Float64Array(nGenes);
  for (const cell of sample) {
    for (let gene = 0; gene < nGenes; gene++) shift[gene] -= labelMean[label[cell] * nGenes + gene];
  }
  const nKnown = sample.length;
  shift.forEach((sum, gene) => (shift[gene] = nKnown ? (sum + sums[KNOWN][gene]) / nKnown : 0));
  return groups.map((cells, g) => {
    const code = mostCommon(cells.map((cell) => label[cell]));
    const up: [number, string][] = [];
    const down: [number, string][] = [];
    for (let gene = 0; gene < nGenes; gene++) {
      const name = names[gene];
      if (!measured[gene] || !name) continue;
      const mean = labelMean[code * nGenes + gene];
      const difference = sums[g][gene] / cells.length - mean - shift[gene];
      if (difference >= CLEAR && having[g][gene] / cells.length >= COMMON) {
        up.push([difference, name]);
      } else if (difference <= -CLEAR && mean >= CLEAR) down.push([-difference, name]);
    }
    const like = manifest.labels[code] ?? "";
    const nCells = toEven(cells.length * scale);
    if (!counts.fits) return { sentence: `${novelAnd(nCells, like).join("")}.`, markers: [] };
    const [markers, lacks] = [largest(up), largest(down)];
    const named = (genes: string[]) => genes.slice(0, rules.named.value);
    return { sentence: inWords(nCells, like, named(markers), named(lacks)), markers };
  });
}

function inWords(cells: number, label: string, markers: string[], lacks: string[]): string {
  const [novel, resembling] = novelAnd(cells, label);
  const told: string[] = [];
  if (markers.length) told.push(say(rules.express, { genes: listed(markers) }));
  if (lacks.length) told.push(say(rules.lack, { genes: listed(lacks) }));
  const differ = told.join(" and ");
  if (!differ) return say(rules.no_gene, { novel, resembling });
  return label
    ? say(rules.unlike_label, { novel, resembling, differ })
    : say(rules.unlike_average, { novel, differ });
}

/** That cells are novel, and which label they resemble. */
function novelAnd(cells: number, label: string): [string, string] {
  return [say(rules.novel, { cells }), label && say(rules.resembling, { label })];
}

function largest(genes: [number, string][]): string[] {
  return genes
    .sort((a, b) => b[0] - a[0])
    .slice(0, MARKERS)
    .map(([, name]) => name);
}

function listed(names: readonly string[]): string {
  return names.length === 1
    ? names[0]
    : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

function mostCommon(codes: readonly number[]): number {
  const found = new Map<number, number>();
  for (const code of codes) found.set(code, (found.get(code) ?? 0) + 1);
  return [...found].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0][0];
}
