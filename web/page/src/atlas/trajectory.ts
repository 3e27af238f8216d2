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
