/** The rules by which a gene name of a query reaches a panel gene: by equal keys.
 *
 * The same rules, in the same order, as in the Python package (`runtime/genes/rules.py`).
 */

import decisions from "../decisions";
import type { PreviousSymbols } from "./previous";

export type Keys = (string | null)[];

export interface Rule {
  name: string;
  panelKeys(symbol: string, ensembl: string, previous: PreviousSymbols): string[];
  queryKeys(names: readonly string[], previous: PreviousSymbols): Keys;
  /** Different names of one key are surely one gene. */
  sameGene?: boolean;
  /** The key is an Ensembl id, which counts more than a symbol in another column. */
  byId?: boolean;
  /** The one whose atlases it is for, all when not stated. */
  organism?: string;
  /** Names as they stand. */
  exact?: boolean;
}

const { genes } = decisions;
/** A group an organism, in the order of `decisions.json`. */
export const GENOMES = Object.values(genes.genomes)
  .map((genomes) => `(${genomes})`)
  .join("|");
export const GENOME_PREFIX = new RegExp(
  `^${genes.genome_prefix.value.replace("{genomes}", GENOMES)}`,
  "i",
);
const ID_IN_NAME = new RegExp(`^(?:${genes.id_in_name.value})$`, "u");
const ALNUM = /^[\p{L}\p{N}]+$/u;

/** An Ensembl id without its version, and any other name as it is. */
export function unversioned(name: string): string {
  return name.startsWith("ENS") ? name.split(".", 1)[0] : name;
}

/** Python's casefold, as far as gene names go: sharp s and its kin become two letters. */
function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}

function foldedKeys(names: readonly string[]): Keys {
  // ACTB and Actb, and so on: here case tells the genes of two organisms apart.
  const folded = names.map(fold);
  const pairs = new Set(names).size - new Set(folded).size;
  return pairs >= genes.pairs_by_case.value ? [] : folded;
}

function rSymbol(symbol: string): string[] {
  const name = symbol.replace(/[^A-Za-z0-9]/gu, ".");
  return name && !/^\p{L}/u.test(name) ? [name, `X${name}`] : [name];
}

function unprefixed(name: string): string | null {
  const found = GENOME_PREFIX.exec(name);
  return found ? unversioned(name.slice(found[0].length)) : null;
}

function idInName(name: string): string | null {
  if (!name.includes("ENS") || ALNUM.test(name)) return null;
  return ID_IN_NAME.exec(name)?.[1] ?? null;
}

function rKeys(names: readonly string[]): Keys {
  // make.names leaves no hyphen: where there is one, a dot is a dot.
  if (names.some((name) => name.includes("-"))) return [];
  const known = new Set(names);
  return names.map((name) => {
    const dot = name.lastIndexOf(".");
    const stem = dot < 0 ? "" : name.slice(0, dot);
    const tail = name.slice(dot + 1);
    return /^\p{Nd}+$/u.test(tail) && known.has(stem) ? null : name.replaceAll("_", ".");
  });
}

export const RULES: readonly Rule[] = [
  {
    name: "Ensembl id",
    panelKeys: (_, id) => [id],
    queryKeys: (names) => [...names],
    byId: true,
    exact: true,
  },
  {
    name: "Ensembl id without version",
    panelKeys: (_, id) => [unversioned(id)],
    queryKeys: (names) =>
      names.map((name) =>
        name.startsWith("ENS") && !name.includes("_") ? unversioned(name) : null,
      ),
    sameGene: true,
    byId: true,
    exact: true,
  },
  {
    name: "symbol",
    panelKeys: (symbol) => [symbol],
    queryKeys: (names) => [...names],
    exact: true,
  },
  {
    name: "letter case",
    panelKeys: (symbol, id) => [fold(symbol), fold(unversioned(id))],
    queryKeys: foldedKeys,
  },
  {
    name: "genome prefix",
    panelKeys: (symbol, id) => [symbol, unversioned(id)],
    queryKeys: (names) => names.map(unprefixed),
  },
  {
    name: "Ensembl id within the name",
    panelKeys: (_, id) => [unversioned(id)],
    queryKeys: (names) => names.map(idInName),
    sameGene: true,
    byId: true,
  },
  { name: "R names", panelKeys: rSymbol, queryKeys: rKeys },
  {
    name: "symbol of other years",
    panelKeys: (symbol, id, previous) => [unversioned(id), previous.get(symbol) ?? ""],
    queryKeys: (names, previous) => names.map((name) => previous.get(name) ?? null),
    organism: "human",
  },
];
