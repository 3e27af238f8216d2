/** The trajectory as lines over the map, from milestone to milestone. */

import type { Graph } from "../../atlas/manifest";
import type { Parts } from "../../atlas/parts";
import { courseOf, readTrajectory } from "../../atlas/trajectory";
import decisions from "../../decisions";
import type { Results } from "../../mapping/results";
import type { Place } from "./canvas";
import type { Box } from "./names";
import { svg } from "./symbol";

const { columns } = decisions;

/** Course of an edge on the map: x and y, point after point. */
export interface Course {
  from: string;
  to: string;
  points: Float32Array;
}

const POINTS = 9;
// width of the kernel in which cells are averaged, as a share of the edge
const WIDTH = 0.08;
// height of a milestone's name, pixels
const LINE = 16;
// width of a letter of it, at most on average
const WIDEST = 8;
// an edge with fewer cells has no course that could be trusted
const FEWEST = 5;

/** Courses that the atlas holds; null where it holds none, as one without a trajectory. */
export async function readCourses(parts: Parts): Promise<Course[] | null> {
  const found = await readTrajectory(parts);
  if (!found) return null;
  const { edges, milestones } = found.graph;
  return edges.map(([start, end], edge) => ({
    from: milestones[start],
    to: milestones[end],
    points: courseOf(found, edge),
  }));
}

/** Courses through the cells of a query, for atlases that do not hold their own. */
export function coursesOf(results: Results, graph: Graph | null): Course[] {
  const edge = results.category(columns.edge);
  const fraction = results.float(columns.edge_fraction);
  if (!graph || !edge || !fraction) return [];
  return graph.edges.flatMap(([start, end], number) => {
    const cells: number[] = [];
    for (let cell = 0; cell < results.done; cell++) if (edge.values[cell] === number) cells.push(cell);
    if (cells.length < FEWEST) return [];
    const [from, to] = [graph.milestones[start], graph.milestones[end]];
    return [{ from, to, points: smoothed(cells, fraction, results.places) }];
  });
}

function smoothed(cells: readonly number[], fraction: Float32Array, places: Float32Array) {
  const points = new Float32Array(2 * POINTS);
  for (let k = 0; k < POINTS; k++) {
    let [x, y, weight] = [0, 0, 0];
    for (const cell of cells) {
      const apart = (fraction[cell] - k / (POINTS - 1)) / WIDTH;
      // never quite nothing, so that a stretch without cells has a place too
      const near = Math.exp(-0.5 * apart * apart) + 1e-12;
      x += near * places[2 * cell];
      y += near * places[2 * cell + 1];
      weight += near;
    }
    points.set([x / weight, y / weight], 2 * k);
  }
  return points;
}

/** Draws courses into an SVG, again for every view of the map. */
export class TrajectoryLines {
  private courses: readonly Course[] = [];
  private readonly group = svg("g", "trajectory");
  /** Names of its ends, and where they begin on the screen. */
  named: { text: string; x: number; y: number }[] = [];

  constructor(overlay: SVGSVGElement) {
    overlay.append(this.group);
  }

  /** Names of what the shown courses lead from and to. */
  get ends(): Set<string> {
    return new Set(this.courses.flatMap(({ from, to }) => [from, to]));
  }

  show(courses: readonly Course[]): void {
    this.courses = courses;
  }

  /** Draw, and return where its names stand. */
  draw(place: Place): Box[] {
    const boxes: Box[] = [];
    this.named = [];
    const parts: SVGElement[] = [];
    const ends = new Map<string, [number, number]>();
    for (const { from, to, points } of this.courses) {
      const line: [number, number][] = [];
      for (let k = 0; k < points.length; k += 2) line.push(place(points[k], points[k + 1]));
      const d = smooth(line);
      parts.push(svg("path", "halo", { d }), svg("path", "course", { d }));
      parts.push(arrow(line));
      ends.set(from, line[0]);
      ends.set(to, line[line.length - 1]);
    }
    // both ways round a circle end at one place
    const taken = new Map<string, number>();
    for (const [name, [x, y]] of ends) {
      parts.push(svg("circle", "milestone", { cx: x, cy: y, r: 5 }));
      const here = `${x} ${y}`;
      const above = taken.get(here) ?? 0;
      taken.set(here, above + 1);
      const label = svg("text", "milestone", { x: x + 9, y: y + 4 + LINE * above });
      label.textContent = name;
      parts.push(label);
      const [left, top] = [x + 6, y - 9 + LINE * above];
      this.named.push({ text: name, x: x + 9, y: y + 4 + LINE * above });
      boxes.push({ left, top, width: WIDEST * name.length + 6, height: LINE });
    }
    this.group.replaceChildren(...parts);
    return boxes;
  }
}

/** A curve through all points of a line (Catmull and Rom's, as cubic Béziers). */
function smooth(line: readonly [number, number][]): string {
  const at = (k: number) => line[Math.min(Math.max(k, 0), line.length - 1)];
  const text = (x: number, y: number) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  const beside = (k: number, side: number) => {
    const [[x, y], [beforeX, beforeY], [afterX, afterY]] = [at(k), at(k - 1), at(k + 1)];
    return text(x + (side * (afterX - beforeX)) / 6, y + (side * (afterY - beforeY)) / 6);
  };
  const pieces = line.slice(1).map((end, k) => `C${beside(k, 1)} ${beside(k + 1, -1)} ${text(...end)}`);
  return `M${text(...line[0])}${pieces.join("")}`;
}

/** A small triangle half way, pointing ahead. */
function arrow(line: readonly [number, number][]): SVGElement {
  const middle = line.length >> 1;
  const [x, y] = line[middle];
  const [before, after] = [line[middle - 1], line[Math.min(middle + 1, line.length - 1)]];
  const angle = (Math.atan2(after[1] - before[1], after[0] - before[0]) * 180) / Math.PI;
  return svg("path", "arrow", {
    d: "M-5-6 7 0-5 6z",
    transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${angle.toFixed(0)})`,
  });
}
