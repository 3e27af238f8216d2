/** The trajectory of an atlas: its milestones, and its course on the map.
 *
 * Part of `runtime/atlas/trajectory.py` of the Python package.
 */

import { type Graph, graphOf } from "./manifest";
import type { NpyArray } from "./npy";
import type { Parts } from "./parts";

export interface Trajectory {
  graph: Graph;
  /** float32 [edges, points, 2] */
  path: NpyArray;
}

/** What the atlas's own cells are like along its lineages. */
export interface Lineages {
  /** [edges, 10], share of its cells on the trajectory in each tenth of each edge. */
  share: Float32Array;
  /** [lineages], share of these that most likely end there. */
  bound: Float32Array;
  /** [lineages, edges], 1 where a lineage uses an edge. */
  lineageEdges: Uint8Array;
  /** [lineages, 2], first and last pseudotime. */
  lineageTime: Float32Array;
  /** float32 [lineages, steps, genes], expected counts per 10,000 of the panel. */
  expression: NpyArray;
}

/** Null for an atlas without a trajectory. */
export async function readLineages(parts: Parts): Promise<Lineages | null> {
  if (!graphOf(parts.manifest)) return null;
  const data = async (name: string) => (await parts.array(name)).data;
  return {
    share: (await data("trajectory_share")) as Float32Array,
    bound: (await data("trajectory_bound")) as Float32Array,
    lineageEdges: Uint8Array.from(await data("lineage_edges"), Number),
    lineageTime: (await data("lineage_time")) as Float32Array,
    expression: await parts.array("lineage_expression"),
  };
}

/** Null for an atlas without a trajectory. */
export async function readTrajectory(parts: Parts): Promise<Trajectory | null> {
  const graph = graphOf(parts.manifest);
  return graph && { graph, path: await parts.array("trajectory_path") };
}

/** Course of an edge on the map: x and y, point after point. */
export function courseOf({ path }: Trajectory, edge: number): Float32Array {
  const length = 2 * path.shape[1];
  return Float32Array.from(path.data.subarray(edge * length, (edge + 1) * length));
}

/** Place of each milestone on the map, [milestones, 2]. */
export function positions(trajectory: Trajectory): Float64Array {
  const { milestones, edges } = trajectory.graph;
  const at = new Float64Array(2 * milestones.length);
  edges.forEach(([start, end], edge) => {
    const course = courseOf(trajectory, edge);
    at.set(course.subarray(0, 2), 2 * start);
    at.set(course.subarray(-2), 2 * end);
  });
  return at;
}
