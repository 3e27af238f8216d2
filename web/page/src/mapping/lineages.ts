/** What the query's own counts say along the lineages of the atlas, beside what it expects.
 *
 * Same as `runtime/mapping/gather/lineages.py` of the Python package.
 */

import type { Lineages, Trajectory } from "../atlas/trajectory";

/** A step of time with fewer cells says nothing. */
export const FEWEST_CELLS = 10;
const FEWEST_STEPS = 3;

/** The query's mean expression along each lineage. */
export interface QueryLineages {
  /** [lineages, steps], cells in each step of pseudotime. */
  cells: Float64Array;
  /** [lineages, steps, genes], mean counts per 10,000 of the panel; 0 without cells. */
  expression: Float64Array;
  /** [genes], 1 where every query has the gene. */
  measured: Uint8Array;
}

type Path = Trajectory & Lineages;
export type Direction = "up" | "down" | "peak" | "dip";

/** How a gene changes along a lineage, as the atlas expects it. */
export interface LineageGene {
  gene: string;
  position: number;
  /** log2 of the ratio of highest to lowest, one count per 10,000 added to both. */
  change: number;
  direction: Direction;
  /** [steps], on the log scale. */
  level: number[];
}

/** log2 of counts per 10,000, one added. */
export function logLevel(expression: number): number {
  return Math.log2(1 + expression);
}

export function stepsOf({ expression: { shape } }: Path): { lineages: number; steps: number; genes: number } {
  const [lineages, steps, genes] = shape;
  return { lineages, steps, genes };
}

/** Sums the counts of cells in steps of pseudotime along each lineage. */
export class LineageCounts {
  private readonly cells: Float64Array;
  private readonly counts: Float64Array;

  /** `edge` and `time` are those of the cells of all queries. */
  constructor(
    private readonly path: Path,
    private readonly edge: Int32Array,
    private readonly time: Float32Array,
  ) {
    const { lineages, steps, genes } = stepsOf(path);
    this.cells = new Float64Array(lineages * steps);
    this.counts = new Float64Array(lineages * steps * genes);
    for (let cell = 0; cell < edge.length; cell++) {
      for (const row of this.rows(cell)) this.cells[row]++;
    }
  }

  /** Take in a log-normalised value of a cell. */
  add(cell: number, gene: number, value: number): void {
    if (this.edge[cell] < 0) return;
    const { genes } = stepsOf(this.path);
    const count = Math.expm1(value);
    for (const row of this.rows(cell)) this.counts[row * genes + gene] += count;
  }

  found(measured: Uint8Array): QueryLineages {
    const { genes } = stepsOf(this.path);
    const expression = this.counts.map((sum, i) => sum / Math.max(this.cells[Math.floor(i / genes)], 1));
    return { cells: this.cells, expression, measured };
  }

  /** Steps of lineages, counted through all of them, that a cell is in; it is on several. */
  private rows(cell: number): readonly number[] {
    const edge = this.edge[cell];
    if (edge < 0) return [];
    const { lineages, steps } = stepsOf(this.path);
    const { graph, lineageEdges, lineageTime } = this.path;
    const rows: number[] = [];
    for (let lineage = 0; lineage < lineages; lineage++) {
      if (!lineageEdges[lineage * graph.edges.length + edge]) continue;
      const [first, last] = lineageTime.subarray(2 * lineage, 2 * lineage + 2);
      const way = (this.time[cell] - first) / Math.max(last - first, 1e-9);
      rows.push(lineage * steps + Math.min(Math.max(Math.floor(way * steps), 0), steps - 1));
    }
    return rows;
  }
}

/** Genes by how much they change along a lineage, the most first. */
export function changesOf(path: Path, names: readonly string[], lineage: number): LineageGene[] {
  const { steps, genes } = stepsOf(path);
  const { data } = path.expression;
  // of genes of one name, the first
  const first = new Map<string, number>();
  names.forEach((gene, position) => first.has(gene) || first.set(gene, position));
  return names
    .map((gene, column) => {
      const level = Array.from({ length: steps }, (_, step) => logLevel(data[(lineage * steps + step) * genes + column]));
      const change = Math.max(...level) - Math.min(...level);
      return { gene, position: first.get(gene)!, change, direction: directionOf(level), level };
    })
    .sort((a, b) => b.change - a.change);
}

/** Where a course on the log scale goes, in a word. */
function directionOf(level: readonly number[]): Direction {
  const [first, last] = [level[0], level[level.length - 1]];
  const [least, most] = [Math.min(...level), Math.max(...level)];
  if (Math.abs(last - first) >= (most - least) / 2) return last > first ? "up" : "down";
  return most - Math.max(first, last) >= Math.min(first, last) - least ? "peak" : "dip";
}

/** Correlation of each gene along a lineage with the atlas, on the log scale, [genes].
 *
 * Over steps with at least 10 cells, each as heavy as it has cells; NaN with fewer than three of
 * them, for a gene that was not measured, and where either does not change.
 */
export function agreementOf(query: QueryLineages, path: Path, lineage: number): Float64Array {
  const { steps, genes } = stepsOf(path);
  const found = new Float64Array(genes).fill(NaN);
  const rows = Array.from({ length: steps }, (_, step) => lineage * steps + step);
  const known = rows.filter((row) => query.cells[row] >= FEWEST_CELLS);
  if (known.length < FEWEST_STEPS) return found;
  const all = known.reduce((sum, row) => sum + query.cells[row], 0);
  const weight = known.map((row) => query.cells[row] / all);
  for (let gene = 0; gene < genes; gene++) {
    if (!query.measured[gene]) continue;
    const [ours, theirs] = [query.expression, path.expression.data].map((expression) => {
      const level = known.map((row) => logLevel(expression[row * genes + gene]));
      const mean = level.reduce((sum, one, i) => sum + weight[i] * one, 0);
      return level.map((one) => one - mean);
    });
    const product = (one: number[], other: number[]) => one.reduce((sum, x, i) => sum + weight[i] * x * other[i], 0);
    const length = Math.sqrt(product(ours, ours) * product(theirs, theirs));
    if (length > 1e-9) found[gene] = product(ours, theirs) / length;
  }
  return found;
}
