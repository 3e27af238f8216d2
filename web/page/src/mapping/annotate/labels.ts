/** What cells are called: the best label, how sure it is, the call, and the label set.
 *
 * Call and set are there where the atlas can tell doubts. Same as `runtime/mapping/annotate/labels.py` of the Python package.
 */

import { buildTree, callDeepest } from "../../atlas/label_tree";
import { givesProb, type Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import type { ResultColumn } from "../columns";
import { type Annotator, argmax, rowOf } from "./annotator";

const { columns, values } = decisions;

/** An empty cell is called unknown with probability 0, or at no distance, whatever the network
 * makes of it. */
export function labelling(manifest: Manifest): Annotator {
  return givesProb(manifest) ? byProbability(manifest) : byDistance(manifest);
}

/** Labels of the nearest prototypes, and how far off these are. */
function byDistance({ labels }: Manifest): Annotator {
  return ({ answers, library }) => {
    const n = library.length;
    const named = withUnknown(labels);
    const label = new Int32Array(n).fill(named.indexOf(values.unknown));
    const distance = new Float32Array(n).fill(NaN);
    for (let cell = 0; cell < n; cell++) {
      if (library[cell] <= 0) continue;
      const row = rowOf(answers, "label_distance", cell);
      label[cell] = argmax(row.map((apart) => -apart));
      distance[cell] = row[label[cell]];
    }
    return {
      columns: [
        category(columns.label, named, label),
        { name: columns.distance, kind: "float", values: distance },
      ],
    };
  };
}

/** The best label of cells and its probability alone, of an atlas that gives these. */
export function best({ labels, head }: Manifest): Annotator {
  const named = withUnknown(labels);
  const nothing = named.indexOf(values.unknown);
  const ranked = head.kind === "sigmoids" ? "label_score" : "label_prob";
  return ({ answers, library }) => {
    const label = new Int32Array(library.length).fill(nothing);
    const prob = new Float32Array(library.length);
    library.forEach((counts, cell) => {
      if (counts <= 0) return;
      label[cell] = argmax(rowOf(answers, ranked, cell));
      prob[cell] = rowOf(answers, "label_prob", cell)[label[cell]];
    });
    return {
      columns: [
        category(columns.label, named, label),
        { name: columns.prob, kind: "float", values: prob },
      ],
    };
  };
}

function byProbability(manifest: Manifest): Annotator {
  const { labels, parents, head, thresholds } = manifest;
  const labelled = best(manifest);
  if (!head.set_prob.length) return labelled;
  const tree = buildTree(labels, parents);
  const least = Float32Array.from(head.set_prob);
  const names = labels.map(joinable);
  // label sets met so far; blocks name them by position
  const sets = new Map<string, number>([["", 0]]);

  function setOf(prob: Float32Array, best: number): number {
    const order = Array.from(prob.keys()).sort((a, b) => prob[b] - prob[a]);
    let before = 0;
    const inside = order.filter((label) => {
      const isIn = before < head.set_mass || prob[label] >= least[label] || label === best;
      before += prob[label];
      return isIn;
    });
    const text = inside.map((label) => names[label]).join(values.joined_by);
    if (!sets.has(text)) sets.set(text, sets.size);
    return sets.get(text)!;
  }

  return (cells) => {
    const { answers, library } = cells;
    const call = new Int32Array(library.length).fill(tree.nodes.length);
    const set = new Int32Array(library.length);
    const told = labelled(cells).columns;
    const [{ values: label }] = told;
    library.forEach((counts, cell) => {
      if (counts <= 0) return;
      const row = rowOf(answers, "label_prob", cell);
      call[cell] = callDeepest(tree, row, label[cell], thresholds.call_prob);
      set[cell] = setOf(row, label[cell]);
    });
    return {
      columns: [
        ...told,
        category(columns.call, [...tree.nodes, values.unknown], call),
        category(columns.label_set, [...sets.keys()], set, true),
      ],
    };
  };
}

/** A label so written that it can be told apart in a text of several. */
export function joinable(label: string): string {
  return label.replaceAll(values.joined_by, values.joined_by_instead.value);
}

/** With what empty cells are called, which some models have among their labels. */
function withUnknown(labels: string[]): string[] {
  return labels.includes(values.unknown) ? labels : [...labels, values.unknown];
}

function category(name: string, categories: string[], codes: Int32Array, free = false): ResultColumn {
  return { name, kind: "category", categories, values: codes, free };
}
