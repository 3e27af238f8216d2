/** The trajectory of an atlas: its milestones, and its course on the map.
 *
 * Part of `runtime/trajectory.py` of the Python package.
 */

import { AtlasError } from "../errors";
import { structureNames } from "../mapping/structure";
import type { Numbers } from "./npy";
import type { Parts } from "./parts";

export interface Trajectory {
  milestones: string[];
  /** Names of the edges, `from -> to`. */
  edges: string[];
  /** [edges, 2], milestones that each joins, away from the root. */
  ends: Numbers;
  /** [edges, points, 2] */
  path: Numbers;
  points: number;
  terminals: string[];
}

/** Null for an atlas without a trajectory, or made before atlases described it. */
export async function readTrajectory(parts: Parts): Promise<Trajectory | null> {
  const { edges, terminals } = structureNames(parts.manifest);
  if (!edges.length) return null;
  const [path, ends] = await Promise.all([
    parts.arrayIfThere("trajectory_path"),
    parts.arrayIfThere("trajectory_ends"),
  ]);
  if (!path || !ends) return null;
  const stated = parts.manifest.training.structure as { milestones?: unknown };
  const milestones = Array.isArray(stated.milestones) ? stated.milestones.map(String) : [];
  const [n, points, width] = path.shape;
  const fits =
    path.shape.length === 3 &&
    n === edges.length &&
    points > 1 &&
    width === 2 &&
    ends.data.length === 2 * n &&
    Array.from(ends.data).every((milestone) => milestone >= 0 && milestone < milestones.length);
  if (!fits) {
    throw new AtlasError("The trajectory of the atlas does not fit its parts; publish it again.");
  }
  return { milestones, edges, ends: ends.data, path: path.data, points, terminals };
}

/** Place of each milestone on the map, [milestones, 2]. */
export function positions({ milestones, ends, path, points }: Trajectory): Float64Array {
  const at = new Float64Array(2 * milestones.length);
  for (let edge = 0; 2 * edge < ends.length; edge++) {
    const first = 2 * points * edge;
    const last = first + 2 * (points - 1);
    at.set([path[first], path[first + 1]], 2 * ends[2 * edge]);
    at.set([path[last], path[last + 1]], 2 * ends[2 * edge + 1]);
  }
  return at;
}

/** Milestones at which no edge ends. */
export function roots({ milestones, ends }: Trajectory): string[] {
  const reached = new Set(Array.from(ends).filter((_, i) => i % 2 === 1));
  return milestones.filter((_, i) => !reached.has(i));
}
