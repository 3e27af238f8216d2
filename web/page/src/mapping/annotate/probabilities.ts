/** The probability of every label, and labels along the tree, when asked for.
 *
 * Same as `runtime/mapping/annotate/beside_label/probabilities.py` of the Python package.
 */

import { buildTree, type LabelTree } from "../../atlas/label_tree";
import type { Manifest } from "../../atlas/manifest";
import decisions, { say } from "../../decisions";
import { InputError } from "../../errors";
import type { ResultColumn } from "../columns";
import { type Annotator, argmax, rowOf } from "./annotator";

const { columns, values } = decisions;

/** Refuse atlases whose labels have no probabilities. */
export function refuseWithoutProbabilities({ name, labels, head }: Manifest): void {
  if (head.kind === "softmax" || head.kind === "sigmoids") return;
  const { none, no_labels } = decisions.probabilities;
  throw new InputError(say(labels.length ? none : no_labels, { atlas: name }));
}

/** Every label's probability, and the best label's branch of the tree, the broadest first. */
export function probabilities({ labels, parents, head }: Manifest): Annotator {
  const tree = buildTree(labels, parents);
  const levels = parents.size ? levelsOf(tree) : [];
  const ranked = head.kind === "sigmoids" ? "label_score" : "label_prob";
  const named = labels.map((label) => say(columns.probability_of, { label }));
  return ({ answers, library }) => {
    const best = Int32Array.from(library, (_, cell) => argmax(rowOf(answers, ranked, cell)));
    const known = (cell: number) => library[cell] > 0;
    const prob = answers.get("label_prob")!.data;
    const all = prob.map((one, i) => (known(Math.floor(i / labels.length)) ? one : 0));
    const told = levels.flatMap((node, i): ResultColumn[] => {
      const categories = [...new Set([...node.map((one) => tree.nodes[one]), values.unknown])];
      const code = node.map((one) => categories.indexOf(tree.nodes[one]));
      const unknown = categories.indexOf(values.unknown);
      const [label, sure] = [new Int32Array(library.length), new Float32Array(library.length)];
      for (let cell = 0; cell < library.length; cell++) {
        label[cell] = known(cell) ? code[best[cell]] : unknown;
        sure[cell] = known(cell) ? ofSameNode(rowOf(answers, "label_prob", cell), node, best[cell]) : 0;
      }
      const level = i + 1;
      return [
        { name: say(columns.level, { level }), kind: "category", categories, values: label },
        { name: say(columns.level_prob, { level }), kind: "float", values: sure },
      ];
    });
    const matrix = { name: columns.probabilities, width: labels.length, values: all, columns: named };
    return { columns: told, matrices: [matrix] };
  };
}

/** Node of each label at each level, the broadest first; the last of a short branch repeats. */
export function levelsOf({ path }: LabelTree): number[][] {
  const depth = Math.max(...path.map((nodes) => nodes.length));
  return Array.from({ length: depth }, (_, level) =>
    path.map((nodes) => nodes[Math.max(0, nodes.length - 1 - level)]),
  );
}

/** Probability of the node that a cell's best label is in, added up label by label. */
function ofSameNode(prob: Float32Array, node: number[], best: number): number {
  let total = 0;
  for (let label = 0; label < prob.length; label++) {
    if (node[label] === node[best]) total += prob[label];
  }
  return Math.min(total, 1);
}
