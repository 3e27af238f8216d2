/** The organism that gene names point to. */

import decisions from "../decisions";
import { GENOME_PREFIX } from "./rules";

const { genes } = decisions;
const ORGANISMS = new Map(Object.entries(genes.organisms));
const ENSEMBL_ID = new RegExp(genes.ensembl_id.value);

/** Whether names can point to an organism. */
export function isKnown(organism: string | null): organism is string {
  return [...ORGANISMS.values()].some((known) => known === organism);
}

/** Guess the organism, or return null where the names do not say. */
export function inferOrganism(names: readonly string[]): string | null {
  const step = Math.max(1, Math.floor(names.length / genes.names_looked_at.value));
  const sample = names.filter((name, i) => i % step === 0 && name !== "");
  let found = new Map<string, number>();
  const bare: string[] = [];
  for (const name of sample) {
    const prefix = GENOME_PREFIX.exec(name);
    const ensembl = ENSEMBL_ID.exec(name);
    if (prefix) count(found, genes.human_genomes.value.includes(prefix[1]) ? "human" : "mouse");
    else if (ensembl) count(found, ORGANISMS.get(ensembl[1]) ?? "another organism");
    else bare.push(name);
  }
  if (2 * total(found) < sample.length) found = letterCase(bare);
  let winner: string | null = null;
  let most = 0;
  for (const [organism, n] of found) if (n > most) [winner, most] = [organism, n];
  return winner !== "unclear" && most >= genes.majority.value * total(found) ? winner : null;
}

function letterCase(names: readonly string[]): Map<string, number> {
  const stems = new Set(names.map((name) => name.replace(/[^A-Za-z]+/gu, "")));
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
