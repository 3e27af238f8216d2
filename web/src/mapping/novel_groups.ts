/** Groups among the cells unlike the atlas, and the genes that set them apart.
 *
 * The rules of `runtime/novel_groups.py` of the Python package, on all cells of the query.
 */

import type { Manifest } from "../atlas/manifest";
import { AtlasError } from "../errors";
import { grouped } from "../words";
import { averageLinkage } from "./linkage";
import type { KeptCounts } from "./kept_counts";

export interface NovelGroup {
  /** Positions of its cells in the query. */
  cells: Int32Array;
  sentence: string;
}

export interface NovelInput {
  manifest: Manifest;
  /** [labels, genes], mean log-normalised value. */
  labelMean: Float32Array;
  referenceLatent: Float32Array;
  referenceLabel: ArrayLike<number> | null;
  /** [cells], positions in the labels; one more for empty cells. */
  label: Int32Array;
  novel: Uint8Array;
  /** [cells, latent] */
  latent: Float32Array;
  measured: Uint8Array;
  counts: KeptCounts;
}

const SMALLEST_GROUP = 10;
// a marker differs by so much in mean log1p value, and where it is up, so many cells have it
const CLEAR = 0.5;
const COMMON = 0.25;
const NAMED = 4;
const MOST_LINKED = 2_000;
// as `_APART` in runtime/novel_groups.py: two groups are one when their cells lie no further apart
// than this, in mean distances between reference cells of one type
const APART = 1.25;

export function novelGroups(input: NovelInput): NovelGroup[] {
  const { manifest, label, novel } = input;
  const nLabels = Math.max(1, manifest.labels.length);
  if (input.labelMean.length !== nLabels * manifest.symbols.length) {
    throw new AtlasError("The atlas's label profiles do not fit its labels and genes.");
  }
  const cells: number[] = [];
  const ofLabel = new Float64Array(nLabels);
  const novelOfLabel = new Float64Array(nLabels);
  for (let cell = 0; cell < label.length; cell++) {
    if (label[cell] >= nLabels) continue;
    ofLabel[label[cell]]++;
    if (!novel[cell]) continue;
    novelOfLabel[label[cell]]++;
    cells.push(cell);
  }
  if (cells.length < SMALLEST_GROUP) return [];
  const group = groupLatents(input.latent, cells, manifest.nLatent, typeSpread(input));
  const members = Array.from({ length: Math.max(...group) + 1 }, () => [] as number[]);
  cells.forEach((cell, i) => members[group[i]].push(cell));
  const found = members.filter((rows) => {
    const chance = rows.reduce(
      (sum, cell) =>
        sum + (manifest.thresholds.novelty_p * ofLabel[label[cell]]) / novelOfLabel[label[cell]],
      0,
    );
    return rows.length >= SMALLEST_GROUP && rows.length > 2 * chance;
  });
  found.sort((a, b) => b.length - a.length);
  return describe(input, found);
}

/** Average linkage of up to 2,000 cells, cut; the others join the nearest centre. */
function groupLatents(
  latent: Float32Array,
  cells: readonly number[],
  width: number,
  spread: number,
): Int32Array {
  const step = Math.ceil(cells.length / MOST_LINKED);
  const linked = cells.filter((_, i) => i % step === 0);
  const code = averageLinkage(latent, linked, width, APART * Math.SQRT2 * spread);
  if (linked.length === cells.length) return code;
  const n = Math.max(...code) + 1;
  const centres = Array.from({ length: n }, () => new Float64Array(width));
  const sizes = new Float64Array(n);
  linked.forEach((cell, i) => {
    sizes[code[i]]++;
    for (let d = 0; d < width; d++) centres[code[i]][d] += latent[cell * width + d];
  });
  centres.forEach((centre, g) => centre.forEach((sum, d) => (centre[d] = sum / sizes[g])));
  return Int32Array.from(cells, (cell) => {
    let best = 0;
    let least = Infinity;
    centres.forEach((centre, g) => {
      let apart = 0;
      for (let d = 0; d < width; d++) apart += (latent[cell * width + d] - centre[d]) ** 2;
      if (apart < least) [best, least] = [g, apart];
    });
    return best;
  });
}

/** Root mean square distance of reference cells to the centre of their type. */
function typeSpread({ manifest, referenceLatent, referenceLabel }: NovelInput): number {
  const width = manifest.nLatent;
  const n = referenceLatent.length / width;
  const labelled = referenceLabel !== null && manifest.labels.length > 0;
  const groups = labelled ? manifest.labels.length : 1;
  const sizes = new Float64Array(groups);
  const sums = new Float64Array(groups * width);
  let square = 0;
  for (let cell = 0; cell < n; cell++) {
    const code = labelled ? referenceLabel[cell] : 0;
    if (code < 0) continue;
    sizes[code]++;
    for (let d = 0; d < width; d++) {
      const value = referenceLatent[cell * width + d];
      sums[code * width + d] += value;
      square += value * value;
    }
  }
  let known = 0;
  for (let g = 0; g < groups; g++) {
    known += sizes[g];
    for (let d = 0; d < width; d++) square -= sums[g * width + d] ** 2 / Math.max(1, sizes[g]);
  }
  const spread = Math.sqrt(Math.max(square, 0) / Math.max(1, known));
  return labelled ? spread : 0.5 * spread;
}

function describe(input: NovelInput, groups: readonly number[][]): NovelGroup[] {
  const { manifest, labelMean, label, measured, counts } = input;
  const nGenes = manifest.symbols.length;
  const groupOf = new Int32Array(label.length).fill(-1);
  groups.forEach((cells, g) => cells.forEach((cell) => (groupOf[cell] = g)));
  const sums = groups.map(() => new Float64Array(nGenes));
  const having = groups.map(() => new Float64Array(nGenes));
  const known = new Float64Array(nGenes);
  const shift = new Float64Array(nGenes);
  let nKnown = 0;
  label.forEach((code, cell) => {
    if (input.novel[cell] || code * nGenes >= labelMean.length) return;
    nKnown++;
    for (let gene = 0; gene < nGenes; gene++) shift[gene] -= labelMean[code * nGenes + gene];
  });
  counts.forEach((cell, gene, value) => {
    const g = groupOf[cell];
    if (g >= 0) {
      sums[g][gene] += value;
      if (value > 0) having[g][gene]++;
    } else if (!input.novel[cell]) known[gene] += value;
  });
  // how far the query as a whole lies from the atlas, gene by gene
  shift.forEach((sum, gene) => (shift[gene] = nKnown ? (sum + known[gene]) / nKnown : 0));
  return groups.map((cells, g) => {
    const code = mostCommon(cells.map((cell) => label[cell]));
    const up: [number, string][] = [];
    const down: [number, string][] = [];
    for (let gene = 0; gene < nGenes; gene++) {
      const name = manifest.symbols[gene] || manifest.ensembl[gene];
      if (!measured[gene] || !name) continue;
      const mean = labelMean[code * nGenes + gene];
      const difference = sums[g][gene] / cells.length - mean - shift[gene];
      if (difference >= CLEAR && having[g][gene] / cells.length >= COMMON) {
        up.push([difference, name]);
      } else if (difference <= -CLEAR && mean >= CLEAR) down.push([-difference, name]);
    }
    const like = manifest.labels[code] ?? "";
    return {
      cells: Int32Array.from(cells),
      sentence: counts.fits
        ? inWords(cells.length, like, largest(up), largest(down))
        : `${grouped(cells.length)} cells look like nothing in the atlas` +
          (like ? `; they resemble ${like}.` : "."),
    };
  });
}

function inWords(n: number, like: string, markers: string[], lacks: string[]): string {
  const text = `${grouped(n)} cells look like nothing in the atlas`;
  const differ: string[] = [];
  if (markers.length) differ.push(`express ${listed(markers)}`);
  if (lacks.length) differ.push(`lack ${listed(lacks)}`);
  const resembling = like ? `; they resemble ${like}` : "";
  if (!differ.length) return `${text}${resembling}, and no single gene sets them apart.`;
  return like
    ? `${text}${resembling} but ${differ.join(" and ")}.`
    : `${text}; unlike its average cell, they ${differ.join(" and ")}.`;
}

function largest(genes: [number, string][]): string[] {
  return genes
    .sort((a, b) => b[0] - a[0])
    .slice(0, NAMED)
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
