/** Clusters, place on the trajectory, and fates of cells.
 *
 * Same as `runtime/mapping/annotate/structure.py` of the Python package.
 */

import { edgeNames, type Graph } from "../../atlas/manifest";
import decisions from "../../decisions";
import { type Annotator, argmax, rowOf } from "./annotator";

const { columns } = decisions;
const ON = decisions.structure.on_trajectory.value;

export function clustering(clusters: string[]): Annotator {
  return ({ answers, library }) => {
    const best = Int32Array.from(library, (counts, cell) =>
      counts > 0 ? argmax(rowOf(answers, "cluster_prob", cell)) : -1,
    );
    const name = columns.cluster;
    return { columns: [{ name, kind: "category", categories: clusters, values: best }] };
  };
}

/** A cell off the trajectory, or empty, has no edge, and NaN for its numbers. */
export function placing(graph: Graph): Annotator {
  const categories = edgeNames(graph);
  const width = graph.terminals.length;
  return ({ answers, library }) => {
    const edge = Int32Array.from(library, (counts, cell) => {
      const prob = rowOf(answers, "edge_prob", cell);
      const on = counts > 0 && prob.reduce((sum, p) => Math.fround(sum + p), 0) >= ON;
      return on ? argmax(prob) : -1;
    });
    const number = (name: string, value: (cell: number) => number) =>
      ({
        name,
        kind: "float",
        values: Float32Array.from(edge, (code, cell) => (code < 0 ? NaN : value(cell))),
      }) as const;
    const of = (answer: string) => (cell: number) => rowOf(answers, answer, cell)[0];
    const fates = answers.get("fate_prob")!.data;
    const fate = fates.map((prob, i) => (edge[Math.floor(i / width)] < 0 ? NaN : prob));
    return {
      columns: [
        { name: columns.edge, kind: "category", categories, values: edge },
        number(columns.edge_fraction, (cell) => rowOf(answers, "edge_fraction", cell)[edge[cell]]),
        number(columns.pseudotime, of("pseudotime")),
        number(columns.pseudotime_sd, of("pseudotime_sd")),
      ],
      matrices: [{ name: columns.fate, width, values: fate }],
    };
  };
}
