/** The label tree: which labels are kinds of what, and how deep a call may go. */

import { AtlasError } from "../errors";

export interface LabelTree {
  /** The labels in the atlas's order, then the groups above them. */
  nodes: string[];
  /** For each label its own position in `nodes`, its parent's, and so on. */
  path: number[][];
  /** For each node the labels that are it or lie below it. */
  below: number[][];
}

export function buildTree(labels: readonly string[], parents: Record<string, string>): LabelTree {
  const chains = labels.map((label) => chain(label, parents));
  const nodes = [...new Set([...labels, ...chains.flat()])];
  const position = new Map(nodes.map((name, i) => [name, i]));
  for (const name of Object.entries(parents).flat()) {
    if (!position.has(name)) {
      throw new AtlasError(`'${name}' of the label tree has no label below it.`);
    }
  }
  const path = chains.map((names) => names.map((name) => position.get(name)!));
  const below = nodes.map((_, node) =>
    path.flatMap((nodes_, label) => (nodes_.includes(node) ? [label] : [])),
  );
  return { nodes, path, below };
}

function chain(label: string, parents: Record<string, string>): string[] {
  const names = [label];
  for (let above = parents[label]; above !== undefined; above = parents[above]) {
    if (names.includes(above)) {
      throw new AtlasError(`'${above}' is its own ancestor in the label tree.`);
    }
    names.push(above);
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
