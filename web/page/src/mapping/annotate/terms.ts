/** The term of the Cell Ontology that each cell's call is, when asked for.
 *
 * Same as `runtime/mapping/annotate/beside_label/terms.py` of the Python package, which tells the
 * page the terms of an atlas.
 */

import { buildTree, callDeepest } from "../../atlas/label_tree";
import type { Manifest } from "../../atlas/manifest";
import decisions, { say } from "../../decisions";
import { InputError } from "../../errors";
import { type Annotator, argmax, rowOf } from "./annotator";

const { columns, values } = decisions;

/** Refuse atlases without labels, which nothing can be a term of. */
export function refuseWithoutLabels({ name, labels }: Manifest): void {
  if (!labels.length) throw new InputError(say(decisions.ontology.no_labels, { atlas: name }));
}

/** Id and name of what each cell is called; of a cell that is called nothing they are unknown. */
export function termed({ labels, parents, head, thresholds, terms }: Manifest): Annotator {
  const tree = buildTree(labels, parents);
  const ids = [...new Set([...[...terms.values()].map(([id]) => id), values.unknown])];
  const nameOf = new Map([...terms.values()].map(([id, name]) => [id, name]));
  const named = ids.map((id) => nameOf.get(id) ?? values.unknown);
  const names = [...new Set(named)];
  const ofNode = tree.nodes.map((node) => (terms.has(node) ? ids.indexOf(terms.get(node)![0]) : -1));
  const ranked = head.kind === "sigmoids" ? "label_score" : "label_prob";

  function best(answers: Parameters<Annotator>[0]["answers"], cell: number): number {
    if (head.kind !== "prototypes") return argmax(rowOf(answers, ranked, cell));
    return argmax(rowOf(answers, "label_distance", cell).map((apart) => -apart));
  }

  return ({ answers, library }) => {
    const id = Int32Array.from(library, (counts, cell) => {
      if (counts <= 0) return ids.indexOf(values.unknown);
      const label = best(answers, cell);
      if (!head.set_prob.length) return ofNode[label];
      const prob = rowOf(answers, "label_prob", cell);
      const node = callDeepest(tree, prob, label, thresholds.call_prob);
      return node < tree.nodes.length ? ofNode[node] : ids.indexOf(values.unknown);
    });
    const name = id.map((code) => (code < 0 ? -1 : names.indexOf(named[code])));
    return {
      columns: [
        { name: columns.term_id, kind: "category", categories: ids, values: id },
        { name: columns.term_name, kind: "category", categories: names, values: name },
      ],
    };
  };
}
