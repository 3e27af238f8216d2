/** Clusters, trajectory and fates: what the encoder answers, as columns.
 *
 * Same as `runtime/structure.py` of the Python package.
 */

import type { Manifest } from "../atlas/manifest";
import { AtlasError } from "../errors";
import type { ResultColumn, ResultMatrix } from "./columns";
import type { Answers } from "./tail";

/** Names of what the atlas places cells in; without a trajectory only clusters. */
export interface StructureNames {
  clusters: string[];
  edges: string[];
  terminals: string[];
}

// a cell is on the trajectory when it is rather there than among the other cells
const ON = 0.5;

export function structureNames(manifest: Pick<Manifest, "name" | "training">): StructureNames {
  const stated = (manifest.training.structure ?? {}) as Record<string, unknown>;
  const [clusters, edges, terminals] = ["cluster_names", "edges", "terminal_states"].map((key) => {
    const names = stated[key] ?? [];
    if (Array.isArray(names) && names.every((name) => typeof name === "string")) return names;
    throw new AtlasError(
      `The manifest of atlas '${manifest.name}' is malformed in training, structure.`,
    );
  });
  return { clusters, edges, terminals };
}

/** Width of each answer that the encoder must give. */
export function structureWidths({ clusters, edges, terminals }: StructureNames): [string, number][] {
  if (!clusters.length) return [];
  const widths: [string, number][] = [["cluster_prob", clusters.length]];
  if (edges.length) {
    widths.push(
      ["edge_prob", edges.length],
      ["edge_fraction", edges.length],
      ["pseudotime", 1],
      ["pseudotime_sd", 1],
    );
    if (terminals.length) widths.push(["fate_prob", terminals.length]);
  }
  return widths;
}

/** A cell off the trajectory has no edge, and NaN for its numbers; so has an empty cell. */
export function structureAnswers(
  names: StructureNames,
  answers: Answers,
  library: Float64Array,
): [ResultColumn[], ResultMatrix[]] {
  if (!names.clusters.length) return [[], []];
  const cluster = Int32Array.from(library, (counts, cell) =>
    counts > 0 ? argmax(rowOf(answers, "cluster_prob", cell)) : -1,
  );
  const columns: ResultColumn[] = [
    { name: "cellport_cluster", kind: "category", categories: names.clusters, values: cluster },
  ];
  if (!names.edges.length) return [columns, []];
  const edge = Int32Array.from(library, (counts, cell) => {
    const prob = rowOf(answers, "edge_prob", cell);
    const on = counts > 0 && prob.reduce((sum, p) => Math.fround(sum + p), 0) >= ON;
    return on ? argmax(prob) : -1;
  });
  const numbers = (name: string, value: (cell: number) => number) =>
    columns.push({
      name,
      kind: "float",
      values: Float32Array.from(edge, (code, cell) => (code < 0 ? NaN : value(cell))),
    });
  columns.push({ name: "cellport_edge", kind: "category", categories: names.edges, values: edge });
  numbers("cellport_edge_fraction", (cell) => rowOf(answers, "edge_fraction", cell)[edge[cell]]);
  numbers("cellport_pseudotime", (cell) => rowOf(answers, "pseudotime", cell)[0]);
  numbers("cellport_pseudotime_sd", (cell) => rowOf(answers, "pseudotime_sd", cell)[0]);
  const width = names.terminals.length;
  if (!width) return [columns, []];
  const fate = answers
    .get("fate_prob")!
    .data.map((prob, i) => (edge[Math.floor(i / width)] < 0 ? NaN : prob));
  return [columns, [{ name: "X_cellport_fate", width, values: fate }]];
}

export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

function rowOf(answers: Answers, name: string, cell: number): Float32Array {
  const { data, width } = answers.get(name)!;
  return data.subarray(cell * width, (cell + 1) * width);
}
