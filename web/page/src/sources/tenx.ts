/** What both kinds of 10x output have in common: features of several types, and barcodes. */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import type { Frame, GeneColumns } from "./source";

const { files } = decisions;
const GENE_TYPE = new RegExp(`^(?:${files.gene_type.value})$`, "i");
const OTHER_TYPE = new RegExp(`^(?:${files.other_type.value})$`, "i");
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

/** The kinds that are genes, and what to say of the column that names them.
 *
 * Where it names genes, these are; where it names other kinds alone, all but these; where it names
 * nothing that is known (chromosomes, biotypes, nothing at all), it says nothing.
 */
function geneKinds(title: string, types: readonly string[]): [Set<string>, string[]] {
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  const kinds = [...counts.keys()];
  const listed = (some: string[]) => some.sort().slice(0, KINDS_NAMED).join(", ");
  const isGene = (kind: string) => GENE_TYPE.test(kind.trim());
  const wanted = kinds.some(isGene)
    ? kinds.filter((kind) => isGene(kind) || !kind.trim())
    : kinds.filter((kind) => !OTHER_TYPE.test(kind.trim()));
  if (kinds.length && !wanted.length) {
    const { expression } = files;
    throw new InputError(say(files.no_expression, { title, expression, kinds: listed(kinds) }));
  }
  const leftOut = kinds.filter((kind) => !wanted.includes(kind));
  const unknown = wanted.filter((kind) => kind.trim() && !isGene(kind));
  const notes: string[] = [];
  if (leftOut.length) {
    const features = leftOut.map((kind) => `${counts.get(kind)} ${kind}`).join(", ");
    notes.push(say(files.left_out, { features }));
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
  return { where, length, index, columns: [], textColumns: [], column };
}
