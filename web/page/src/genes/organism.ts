/** The organism that gene names point to. */

import decisions from "../decisions";
import { GENOME_PREFIX, GENOMES } from "./rules";

const { genes } = decisions;
const ORGANISMS = new Map(Object.entries(genes.organisms));
const OF_GENOME = Object.keys(genes.genomes);
const GENOME = new RegExp(`^(?:${GENOMES})(?:[_-]premrna)?$`, "i");
const ENSEMBL_ID = new RegExp(genes.ensembl_id.value);

/** Whether names can point to an organism. */
export function isKnown(organism: string | null): organism is string {
  return [...ORGANISMS.values()].some((known) => known === organism);
}

/** The organism of a genome or species (`GRCh38`, `mm10`), null of other words. */
export function genomeOrganism(genome: string): string | null {
  return ofGroup(GENOME.exec(genome));
}

/** The organism that a prefix or Ensembl id in the name of a gene says, if one does. */
export function nameOrganism(name: string): string | null {
  const prefix = ofGroup(GENOME_PREFIX.exec(name));
  if (prefix) return prefix;
  const ensembl = ENSEMBL_ID.exec(name);
  return ensembl && (ORGANISMS.get(ensembl[1]) ?? "another organism");
}

function ofGroup(found: RegExpExecArray | null): string | null {
  return found && OF_GENOME[found.slice(1).findIndex((group) => group !== undefined)];
}

const CAPITALS = Object.entries(genes.capitals).map(
  ([organism, names]) => [organism, new RegExp(`^(?:${names})$`)] as const,
);

/** Whose genes are written in capital letters, and the names that say so; null of hardly any. */
export function inCapitals(names: readonly string[]): [string, string[]] | null {
  const sample = sampled(names);
  for (const [organism, pattern] of CAPITALS) {
    const found = sample.filter((name) => pattern.test(name));
    const least = genes.share_in_capitals.value * sample.length;
    if (found.length >= Math.max(genes.fewest_in_capitals.value, least)) return [organism, found];
  }
  return null;
}

/** Whose Ensembl ids stand among the names, for genes without a symbol, and these ids; null where
 * there are hardly any, or ids of several organisms. */
export function namedByIds(names: readonly string[]): [string, string[]] | null {
  const sample = sampled(names);
  const ids = [...new Set(sample.filter((name) => ENSEMBL_ID.exec(name)?.index === 0))];
  const least = genes.share_by_ids.value * sample.length;
  if (ids.length < Math.max(genes.fewest_stems.value, least)) return null;
  const found = new Map<string, number>();
  for (const id of ids) {
    count(found, ORGANISMS.get(ENSEMBL_ID.exec(id)![1]) ?? "another organism");
  }
  const [winner, n] = [...found].reduce((one, other) => (other[1] > one[1] ? other : one));
  return n >= genes.majority.value * ids.length ? [winner, ids] : null;
}

function sampled(names: readonly string[]): string[] {
  const step = Math.max(1, Math.floor(names.length / genes.names_looked_at.value));
  return names.filter((name, i) => i % step === 0 && name !== "");
}

/** Guess the organism, or return null where the names do not say. */
export function inferOrganism(names: readonly string[]): string | null {
  const sample = sampled(names);
  let found = new Map<string, number>();
  const bare: string[] = [];
  for (const name of sample) {
    const said = nameOrganism(name);
    if (said) count(found, said);
    else bare.push(name);
  }
  if (2 * total(found) < sample.length) found = letterCase(bare);
  let winner: string | null = null;
  let most = 0;
  for (const [organism, n] of found) if (n > most) [winner, most] = [organism, n];
  return winner !== "unclear" && most >= genes.majority.value * total(found) ? winner : null;
}

function letterCase(names: readonly string[]): Map<string, number> {
  const stems = new Set(
    // what stands behind these is no part of the symbol: A1BG__chr1, A1BG (gene)
    names.map((name) => name.split(/[_ |]/u)[0].replace(/[^A-Za-z]+/gu, "")),
  );
  const found = new Map<string, number>();
  const words = [...stems].filter((stem) => stem.length > 1);
  if (words.length < genes.fewest_stems.value) return found;
  for (const stem of words) {
    if (stem === stem.toUpperCase()) count(found, "human");
    else if (/^[A-Z]/.test(stem) || stem.startsWith("mt")) count(found, "mouse");
    else count(found, "unclear");
  }
  return found;
}

function count(found: Map<string, number>, key: string): void {
  found.set(key, (found.get(key) ?? 0) + 1);
}

function total(found: Map<string, number>): number {
  let sum = 0;
  for (const n of found.values()) sum += n;
  return sum;
}
