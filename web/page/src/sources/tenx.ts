/** What both kinds of 10x output have in common: features of several types, and barcodes. */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import type { Frame, GeneColumns } from "./source";

const { files } = decisions;

/** Gene columns of 10x features and a note on those that are no genes, which get the name ''. */
export function tenxGeneColumns(
  title: string,
  ids: string[],
  names: string[],
  types: string[] | null,
): [GeneColumns, string[]] {
  const notes: string[] = [];
  if (types) {
    const isGene = types.map((type) => type === files.expression);
    if (!isGene.includes(true)) {
      const kinds = [...new Set(types)].sort().slice(0, 5).join(", ");
      const { expression } = files;
      throw new InputError(say(files.no_expression, { title, expression, kinds }));
    }
    if (isGene.includes(false)) {
      const others = new Map<string, number>();
      for (const type of types) {
        if (type !== files.expression) others.set(type, (others.get(type) ?? 0) + 1);
      }
      const listed = [...others].map(([kind, n]) => `${n} ${kind}`).join(", ");
      notes.push(say(files.left_out, { features: listed }));
      ids = ids.map((id, i) => (isGene[i] ? id : ""));
      names = names.map((name, i) => (isGene[i] ? name : ""));
    }
  }
  const columns: GeneColumns = new Map([
    ["index", names],
    ["gene_ids", ids],
    ["gene_names", names],
  ]);
  return [columns, notes];
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
