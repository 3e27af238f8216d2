/** Groups among the cells unlike the atlas, and the genes that set them apart.
 *
 * Same as `runtime/mapping/gather/novel_groups.py` of the Python package.
 */

import { type Manifest, panelNames } from "../atlas/manifest";
import decisions, { say } from "../decisions";
import { toEven } from "../words";
import { bottomK } from "./bottom_k";
import type { ResultColumn } from "./columns";
import { adjusted } from "./false_discovery";
import type { KeptCounts } from "./kept_counts";
import { averageLinkage } from "./linkage";
import { median } from "./median";
import { novelStrangeness, pBeside, pBesideEachOther, type Strangeness, strangenessOfGroups } from "./strange_groups";

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
  /** [cells], novelty p-values. */
  p: Float32Array;
  /** [cells, latent] */
  latent: Float32Array;
  measured: Uint8Array;
  counts: KeptCounts;
}

const { novel_groups: rules } = decisions;
const [CLEAR, COMMON] = [rules.clear.value, rules.common.value];
const MARKERS = 10;
const LEVEL = rules.level.value;
const MOST_LINKED = rules.most_linked.value;

/** Some of the cells, as `runtime/mapping/gather/novel_groups.py` keeps them, the novel ones first. */
interface Sampled {
  cells: Int32Array;
  /** Cells that one stands for. */
  weight: (cell: number) => number;
  /** Cells that are not in the sample. */
  others: number[];
}

interface Found {
  /** Those of its cells that are in the sample. */
  cells: number[];
  centre: Float64Array;
  /** Adjusted for the number of groups. */
  p: number;
}

export function novelGroups(input: NovelInput): NovelGroup[] {
  const sampled = sample(input);
  const { cells, weight } = sampled;
  if (cells.length < rules.smallest.value) return [];
  const distance = typeDistance(input);
  const all = groupsOf(input, cells, distance);
  const large = all.filter(isLarge);
  const rows = large.map((group) => group.cells);
  const strange = strangenessOfGroups(input.p, weight, rows);
  const p = adjusted(pBesideEachOther(strange));
  const told = withP(large, p).filter((group) => group.p < LEVEL);
  // unseen cells may lie among known ones, and then drown in the mean of all
  const inTold = new Set(told.flatMap((group) => group.cells));
  const left = cells.filter((cell) => input.novel[cell] && !inTold.has(cell));
  const among = groupsOf(input, left, distance);
  const others = strange.filter((_, at) => !(p[at] < LEVEL));
  const many = moreThanChance(input, among.filter(isLarge));
  const beside = pBeside(
    many.map((one) => one.strange),
    others,
  );
  const groups = many.map((one) => one.group);
  const found = [...told, ...withP(groups, adjusted(beside))];
  // of equals, that of the first cell comes first
  const place = new Map(Array.from(cells, (cell, i) => [cell, i]));
  const size = new Map(found.map((group) => [group, total(group.cells, weight)]));
  found.sort(
    (a, b) => size.get(b)! - size.get(a)! || place.get(a.cells[0])! - place.get(b.cells[0])!,
  );
  const whole = withOthers(found, all, among, sampled.others, input);
  return describe(input, sampled, found).map((described, i) => ({
    cells: Int32Array.from(whole[i]),
    ...described,
  }));
}

/** The number of the group that each cell is in, 1 for the first; no text where it is in none. */
export function numbersOf(nCells: number, groups: readonly NovelGroup[]): ResultColumn {
  const values = new Int32Array(nCells);
  groups.forEach(({ cells }, group) => cells.forEach((cell) => (values[cell] = group + 1)));
  const categories = ["", ...groups.map((_, group) => String(group + 1))];
  return { name: decisions.columns.novel_group, kind: "category", categories, values, free: true };
}

type Group = Omit<Found, "p">;

function groupsOf({ latent, manifest }: NovelInput, cells: Int32Array, distance: number): Group[] {
  if (!cells.length) return [];
  const { code, centres } = groupLatents(latent, cells, manifest.n_latent, distance);
  const groups = centres.map((centre): Group => ({ cells: [], centre }));
  cells.forEach((cell, i) => groups[code[i]].cells.push(cell));
  return groups;
}

/** Large enough to be judged. */
function isLarge({ cells }: Group): boolean {
  return cells.length >= rules.smallest.value;
}

function withP(groups: readonly Group[], p: readonly number[]): Found[] {
  return groups.map((group, at) => ({ ...group, p: p[at] }));
}

/** Groups of more novel cells than chance makes, and how strange they are by that. */
function moreThanChance(
  { manifest, label, novel }: NovelInput,
  groups: readonly Group[],
): { group: Group; strange: Strangeness }[] {
  const level = manifest.thresholds.novelty_p;
  const nLabels = Math.max(1, manifest.labels.length);
  const ofLabel = new Float64Array(nLabels);
  const novelOfLabel = new Float64Array(nLabels);
  label.forEach((code, cell) => {
    if (code >= nLabels) return;
    ofLabel[code]++;
    novelOfLabel[code] += novel[cell];
  });
  return groups.flatMap((group) => {
    const found = group.cells.length;
    const all = group.cells.reduce((sum, i) => sum + ofLabel[label[i]] / novelOfLabel[label[i]], 0);
    if (found <= rules.by_chance.value * level * all) return [];
    return [{ group, strange: novelStrangeness(found, level, all) }];
  });
}

function sample({ manifest, label, novel }: NovelInput): Sampled {
  const nLabels = Math.max(1, manifest.labels.length);
  const [strange, known]: number[][] = [[], []];
  label.forEach((code, cell) => {
    if (code < nLabels) (novel[cell] ? strange : known).push(cell);
  });
  const kept = [
    bottomK(strange, rules.most_novel.value),
    bottomK(known, rules.most_known.value),
  ];
  const each = [strange.length / (kept[0].length || 1), known.length / (kept[1].length || 1)];
  const seen = new Set([...kept[0], ...kept[1]]);
  return {
    cells: Int32Array.from([...kept[0], ...kept[1]]),
    weight: (cell) => each[novel[cell] ? 0 : 1],
    others: [...strange, ...known].filter((cell) => !seen.has(cell)),
  };
}

function total(cells: readonly number[], weight: (cell: number) => number): number {
  return cells.reduce((sum, cell) => sum + weight(cell), 0);
}

/** The groups with the cells that are not in the sample: each is of the nearest centre. */
function withOthers(
  found: readonly Found[],
  all: readonly Group[],
  among: readonly Group[],
  others: readonly number[],
  { latent, novel, manifest }: NovelInput,
): readonly number[][] {
  const whole = new Map(found.map(({ centre, cells }) => [centre, [...cells]]));
  const centres = [all, among].map((groups) => groups.map((group) => group.centre));
  const join = (cell: number, to: readonly Float64Array[]): boolean => {
    const rows = to.length && whole.get(to[nearest(latent, cell, manifest.n_latent, to)]);
    if (rows) rows.push(cell);
    return !!rows;
  };
  if (whole.size) {
    for (const cell of others) if (!join(cell, centres[0]) && novel[cell]) join(cell, centres[1]);
  }
  return found.map(({ centre }) => whole.get(centre)!.sort((a, b) => a - b));
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
  return Math.sqrt(median(nearest));
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
  { cells: sampled, weight }: Sampled,
  groups: readonly Found[],
): Omit<NovelGroup, "cells">[] {
  const { manifest, labelMean, label, novel, measured, counts } = input;
  const names = panelNames(manifest);
  const nGenes = names.length;
  const NONE = -1;
  const KNOWN = groups.length;
  const groupOf = new Int32Array(label.length).fill(NONE);
  sampled.forEach((cell) => novel[cell] || (groupOf[cell] = KNOWN));
  groups.forEach(({ cells }, g) => cells.forEach((cell) => (groupOf[cell] = g)));
  const known = sampled.filter((cell) => groupOf[cell] === KNOWN);
  const sums = Array.from({ length: KNOWN + 1 }, () => new Float64Array(nGenes));
  const having = Array.from({ length: KNOWN + 1 }, () => new Float64Array(nGenes));
  counts.forEach((cell, gene, value) => {
    const g = groupOf[cell];
    if (g === NONE) return;
    sums[g][gene] += weight(cell) * value;
    if (value > 0) having[g][gene] += weight(cell);
  });
  // how far the query as a whole lies from the atlas, gene by gene
  const shift = new Float64Array(nGenes);
  for (const cell of known) {
    for (let gene = 0; gene < nGenes; gene++) shift[gene] -= labelMean[label[cell] * nGenes + gene];
  }
  const nKnown = known.length;
  const ofKnown = total([...known], weight);
  shift.forEach((sum, gene) => {
    shift[gene] = nKnown ? sum / nKnown + sums[KNOWN][gene] / ofKnown : 0;
  });
  return groups.map(({ cells, p }, g) => {
    const code = mostCommon(cells, label, weight);
    const nCells = total(cells, weight);
    const up: [number, string][] = [];
    const down: [number, string][] = [];
    for (let gene = 0; gene < nGenes; gene++) {
      const name = names[gene];
      if (!measured[gene] || !name) continue;
      const mean = labelMean[code * nGenes + gene];
      const difference = sums[g][gene] / nCells - mean - shift[gene];
      if (difference >= CLEAR && having[g][gene] / nCells >= COMMON) {
        up.push([difference, name]);
      } else if (difference <= -CLEAR && mean >= CLEAR) down.push([-difference, name]);
    }
    const alone = total(cells.filter((cell) => novel[cell]), weight);
    const told = novelAnd(toEven(nCells), p, alone / nCells, manifest.labels[code] ?? "");
    if (!counts.fits) return { sentence: `${told.join("")}.`, markers: [] };
    const [markers, lacks] = [largest(up), largest(down)];
    const named = (genes: string[]) => genes.slice(0, rules.named.value);
    return { sentence: inWords(told, named(markers), named(lacks)), markers };
  });
}

function inWords(
  [novel, resembling]: [string, string],
  markers: string[],
  lacks: string[],
): string {
  const told: string[] = [];
  if (markers.length) told.push(say(rules.express, { genes: listed(markers) }));
  if (lacks.length) told.push(say(rules.lack, { genes: listed(lacks) }));
  const differ = told.join(" and ");
  if (!differ) return say(rules.no_gene, { novel, resembling });
  return resembling
    ? say(rules.unlike_label, { novel, resembling, differ })
    : say(rules.unlike_average, { novel, differ });
}

/** That cells are novel, and which label they resemble. */
function novelAnd(cells: number, p: number, share: number, label: string): [string, string] {
  const chance = p >= 0.001 ? say(rules.p, { p }) : rules.p_below;
  return [
    say(rules.novel, { cells, p: chance, share }),
    label && say(rules.resembling, { label }),
  ];
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

function mostCommon(
  cells: readonly number[],
  label: ArrayLike<number>,
  weight: (cell: number) => number,
): number {
  const found = new Map<number, number>();
  for (const cell of cells) {
    found.set(label[cell], (found.get(label[cell]) ?? 0) + weight(cell));
  }
  return [...found].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0][0];
}
