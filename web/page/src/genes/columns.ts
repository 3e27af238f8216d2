/** The columns that name genes: which to trust, and which rows of them are no genes of the atlas.
 *
 * Same decisions as `runtime/genes/columns.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { featureKinds, plain } from "../feature_kinds";
import { antibodyRows } from "./antibodies";
import { genomeOrganism, nameOrganism } from "./organism";
import { GENOME_PREFIX } from "./rules";

const { genes: rules, files } = decisions;

/** Candidate names of the genes, by column. */
export type GeneColumns = ReadonlyMap<string, readonly string[]>;

const NAME_COLUMNS = new Set(rules.name_columns.value);
const KIND_COLUMNS = new Set(rules.kind_columns.value.map((name) => name.replaceAll("_", "")));
const CLEAR_KINDS = new Set(rules.clear_kinds.value);
const NO_GENE_NAME = new RegExp(`^(?:${rules.no_gene_name.value})$`, "i");
const MADE_UNIQUE = new RegExp(`^(?:${rules.made_unique.value})$`);
const ENSEMBL_ID = new RegExp(`^(?:${rules.ensembl_id.value})`);

/** Names of genes, '' for whatever is none, and what was left out in words. */
export interface GenesAlone {
  columns: GeneColumns;
  notes: string[];
}

/** Take the names from features of other kinds: antibodies, tags, guides, regions. */
export function genesAlone(
  columns: GeneColumns,
  symbols: readonly string[],
  source: string,
): GenesAlone {
  const length = columns.values().next().value?.length ?? 0;
  const kinds = new Array<string>(length).fill("");
  for (const [name, values] of columns) {
    for (const row of otherKinds(name, values)) kinds[row] ||= values[row] || rules.no_kind;
  }
  for (const [name, values] of columns) {
    if (!namesGenes(name)) continue;
    values.forEach((value, row) => {
      if (NO_GENE_NAME.test(value)) kinds[row] ||= rules.told_by_name;
    });
  }
  const ids = [...columns.values()].find(holdsIds);
  const withId = ids ? ids.map((value) => value.startsWith("ENS")) : null;
  for (const [name, values] of columns) {
    if (!namesGenes(name)) continue;
    const left = values.map((value, row) => (kinds[row] ? "" : value));
    for (const row of antibodyRows(left, withId, source)) kinds[row] ||= rules.told_twice;
  }
  const leftOut = new Map<string, number>();
  for (const kind of kinds) if (kind) leftOut.set(kind, (leftOut.get(kind) ?? 0) + 1);
  if (!leftOut.size) return { columns, notes: [] };
  if (!kinds.includes("")) {
    const listed = [...leftOut.keys()].sort().slice(0, 5).join(", ");
    const places = { title: source, expression: files.expression, kinds: listed };
    throw new InputError(say(files.no_expression, places));
  }
  const features = [...leftOut].map(([kind, n]) => `${n} ${kind}`).join(", ");
  const panel = new Set(symbols);
  const kept = [...columns].map(
    ([name, values]) => [name, without(values, kinds, panel)] as const,
  );
  return { columns: new Map(kept), notes: [say(files.left_out, { features })] };
}

/** The rows that a column of kinds says are no genes. */
function otherKinds(name: string, values: readonly string[]): number[] {
  const distinct = new Set(values);
  distinct.delete("");
  if (!distinct.size || distinct.size > rules.most_genomes.value) return [];
  const kinds = featureKinds(values);
  if (!KIND_COLUMNS.has(plain(name).replaceAll(" ", ""))) {
    const clear = [...distinct].some((value) => CLEAR_KINDS.has(plain(value)));
    if (!(kinds.known && clear && kinds.genes.size)) return [];
  }
  return rowsWhere(values, (value) => kinds.others.has(value));
}

function rowsWhere(values: readonly string[], is: (value: string) => boolean): number[] {
  const rows: number[] = [];
  values.forEach((value, row) => {
    if (is(value)) rows.push(row);
  });
  return rows;
}

/** Blank the rows of others, and give genes the names that these had taken. */
function without(
  values: readonly string[],
  others: readonly (string | boolean)[],
  panel: ReadonlySet<string>,
): string[] {
  const kept = values.map((value, row) => (others[row] ? "" : value));
  const taken = new Set(values.filter((value, row) => others[row] && panel.has(value)));
  for (const value of kept) taken.delete(value);
  if (!taken.size) return kept;
  return kept.map((name) => {
    const base = panel.has(name) ? undefined : MADE_UNIQUE.exec(name)?.[1];
    return base !== undefined && taken.has(base) ? base : name;
  });
}

/** Take the names from genes of other organisms, where a query mixes its own with theirs. */
export function ownGenes(
  columns: GeneColumns,
  organism: string | null,
  symbols: readonly string[],
  source: string,
): GenesAlone {
  const foreign = new Set<number>();
  if (organism) {
    for (const values of columns.values()) {
      for (const row of foreignRows(values, organism)) foreign.add(row);
    }
  }
  if (!foreign.size) return { columns, notes: [] };
  const length = columns.values().next().value?.length ?? 0;
  const others = Array.from({ length }, (_, row) => foreign.has(row));
  const panel = new Set(symbols);
  const kept = [...columns].map(
    ([name, values]) => [name, without(values, others, panel)] as const,
  );
  const note = say(rules.foreign, { genes: foreign.size, source });
  return { columns: new Map(kept), notes: [note] };
}

/** The rows of a column that are of another organism.
 *
 * None where no row is surely of this one, unless prefixes stand before some names only: the
 * symbols of a query may have been translated, and its ids not.
 */
function foreignRows(values: readonly string[], organism: string): number[] {
  const distinct = new Set(values);
  distinct.delete("");
  const few = distinct.size <= rules.most_genomes.value;
  const said = new Map(
    [...distinct].map((value) => [
      value,
      nameOrganism(value) ?? (few ? genomeOrganism(value) : null),
    ]),
  );
  let others = [...distinct].filter((value) => (said.get(value) ?? organism) !== organism);
  if (![...said.values()].includes(organism)) {
    others = others.filter((value) => GENOME_PREFIX.test(value));
    if (others.length === distinct.size) return [];
  }
  const foreign = new Set(others);
  return rowsWhere(values, (value) => foreign.has(value));
}

/** The columns that surely name the gene itself, and not its neighbour or ortholog. */
export function trustedColumns(columns: GeneColumns): Set<string> {
  const trusted = [...columns].filter(([name, values]) => namesGenes(name) || holdsIds(values));
  return new Set(trusted.map(([name]) => name));
}

function namesGenes(name: string): boolean {
  return NAME_COLUMNS.has(name.toLowerCase().split(" (", 1)[0]);
}

/** Whether a column is of Ensembl ids for the most part. */
export function holdsIds(values: readonly string[]): boolean {
  let ids = 0;
  let named = 0;
  for (const value of values) {
    if (value !== "") named++;
    if (value.startsWith("ENS") && ENSEMBL_ID.test(value)) ids++;
  }
  return ids > rules.mostly_ids.value * named;
}
