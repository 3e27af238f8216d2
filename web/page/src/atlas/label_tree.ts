/** The label tree: which labels are kinds of what, and how deep a call may go. */

import decisions, { say } from "../decisions";
import { AtlasError } from "../errors";

const { format } = decisions;

export interface LabelTree {
  /** The labels in the atlas's order, then the groups above them. */
  nodes: string[];
  /** For each label its own position in `nodes`, its parent's, and so on. */
  path: number[][];
  /** For each node the labels that are it or lie below it. */
  below: number[][];
}

export function buildTree(
  labels: readonly string[],
  parents: ReadonlyMap<string, string>,
): LabelTree {
  const chains = labels.map((label) => chain(label, parents));
  const nodes = [...new Set([...labels, ...chains.flat()])];
  const position = new Map(nodes.map((name, i) => [name, i]));
  for (const node of [...parents].flat()) {
    if (!position.has(node)) throw new AtlasError(say(format.no_label_below, { node }));
  }
  const path = chains.map((names) => names.map((name) => position.get(name)!));
  const below = nodes.map((_, node) =>
    path.flatMap((nodes_, label) => (nodes_.includes(node) ? [label] : [])),
  );
  return { nodes, path, below };
}

function chain(label: string, parents: ReadonlyMap<string, string>): string[] {
  const names = [label];
  for (let node = parents.get(label); node !== undefined; node = parents.get(node)) {
    if (names.includes(node)) throw new AtlasError(say(format.own_ancestor, { node }));
    names.push(node);
  }
  return names;
}

/** Call a cell as deep in the tree as it is sure: a position in `nodes`, or `nodes.length`. */
export function callDeepest(
  tree: LabelTree,
  prob: Float32Array,
  best: number,
  threshold: number,
): number {
  const least = Math.fround(threshold);
  for (const node of tree.path[best]) {
    let of = 0;
    for (const label of tree.below[node]) of = Math.fround(of + prob[label]);
    if (of >= least) return node;
  }
  return tree.nodes.length;
}
