/** What both kinds of 10x output have in common: features of several types, and barcodes. */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { featureKinds } from "../feature_kinds";
import { cellFrame, type Frame, type GeneColumns } from "./source";

const { files, genes } = decisions;
const KINDS_NAMED = 5;

/** Gene columns of 10x features and a note on those that are no genes, which get the name ''. */
export function tenxGeneColumns(
  title: string,
  ids: string[],
  names: string[],
  types: string[] | null,
): [GeneColumns, string[]] {
  const [wanted, notes] = types ? geneKinds(title, types) : [null, []];
  if (types && wanted) {
    ids = ids.map((id, i) => (wanted.has(types[i]) ? id : ""));
    names = names.map((name, i) => (wanted.has(types[i]) ? name : ""));
  }
  const columns: GeneColumns = new Map([
    ["index", names],
    ["gene_ids", ids],
    ["gene_names", names],
  ]);
  return [columns, notes];
}

/** The kinds that are genes, and what to say of the column that names them. */
function geneKinds(title: string, types: readonly string[]): [Set<string>, string[]] {
  const { counts, genes: named, others } = featureKinds(types);
  const kinds = [...counts.keys()];
  const listed = (some: string[]) => some.sort().slice(0, KINDS_NAMED).join(", ");
  const wanted = kinds.filter((kind) => !others.has(kind));
  if (kinds.length && !wanted.length) {
    const { expression } = files;
    throw new InputError(say(files.no_expression, { title, expression, kinds: listed(kinds) }));
  }
  const leftOut = kinds.filter((kind) => others.has(kind));
  const unknown = wanted.filter((kind) => kind.trim() && !named.has(kind));
  const notes: string[] = [];
  if (leftOut.length) {
    const said = (kind: string) => `${counts.get(kind)} ${kind.trim() || genes.no_kind}`;
    notes.push(say(files.left_out, { features: leftOut.map(said).join(", ") }));
  }
  if (unknown.length) notes.push(say(files.types_unknown, { title, kinds: listed(unknown) }));
  return [new Set(wanted), notes];
}

/** A table of cells that has names only. */
export function barcodeFrame(
  where: string,
  length: number,
  index: (start: number, stop: number) => string[],
): Frame {
  const column = (name: string): never => {
    throw new InputError(`${where} has no column '${name}'.`);
  };
  return cellFrame({ where, length, index, columns: [], textColumns: [], column });
}
