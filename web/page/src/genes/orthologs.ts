/** Genes of another species, read as their one-to-one orthologs in the species of the atlas.
 *
 * Same as `runtime/genes/orthologs.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import type { GeneColumns } from "./columns";
import { inferOrganism } from "./organism";
import { unversioned } from "./rules";

const { orthologs: rules } = decisions;

/** Names of a query's genes as the other species calls their orthologs. */
export interface Translated {
  /** "" for a gene without a partner. */
  columns: GeneColumns;
  /** Species of the query. */
  source: string;
}

/** The species whose cells an atlas can be given by orthologs; null where none are known. */
export function otherSpecies(organism: string): string | null {
  return rules.species.includes(organism) ? rules.species.find((one) => one !== organism)! : null;
}

/** Name the genes of a query as their orthologs in the species `target` are named; `table` holds the
 * pairs, `source` is the query in words. */
export function translate(columns: GeneColumns, target: string, source: string, table: string): Translated {
  const other = otherSpecies(target);
  if (other === null) throw new InputError(say(rules.unknown, { stated: target || rules.not_stated }));
  const seen = new Set([...columns.values()].map(inferOrganism).filter((one) => one !== null));
  if (seen.size === 1 && seen.has(target)) throw new InputError(say(rules.same, { source, target }));
  const known = pairsOf(table, other);
  const named = new Map<string, string[]>();
  for (const [column, names] of columns) {
    named.set(column, names.map((name) => known.get(unversioned(name.trim().toUpperCase())) ?? ""));
  }
  if ([...named.values()].every((names) => names.every((name) => name === ""))) {
    throw new InputError(say(rules.none, { source, other, target }));
  }
  return { columns: named, source: other };
}

/** What orthologs of a species' genes are called in the other, by symbol and Ensembl id in capitals. */
function pairsOf(table: string, source: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const line of table.split("\n")) {
    const [humanId, human, mouseId, mouse] = line.split("\t");
    if (mouse === undefined) continue;
    const [names, called] = source === "human" ? [[humanId, human], mouse || mouseId] : [[mouseId, mouse], human || humanId];
    for (const name of names) if (name) pairs.set(name.toUpperCase(), called);
  }
  return pairs;
}
