/** Counts of chosen cells over the panel genes, with what is needed to make features of them.
 *
 * Same as `runtime/mapping/explain/counted.py` of the Python package.
 */

import type { CellFeatures, PanelGenes, QueryBasis } from "../features";
import type { Query } from "../query";

/** How values of the genes that a query measured become features. */
export interface MeasuredBasis {
  fitted: QueryBasis;
  /** [panel], values of the average cell. */
  mean: Float32Array;
  /** [features], of a cell in which every gene stands at 0. */
  offset: Float64Array;
  /** Share of what tells labels apart that these genes hold. */
  information: number;
}

/** One cell. */
export interface CountedCell {
  basis: MeasuredBasis;
  /** Panel genes that it has counts of, one that comes twice at each of its places. */
  genes: Int32Array;
  counts: Float32Array;
  /** What they are divided by; 1 where they are not. */
  divisor: number;
}

export function measuredBasis({ basis: fitted, genes: { measured }, coverage }: Query, { mean }: PanelGenes): MeasuredBasis {
  const { basis, width } = fitted;
  const offset = new Float64Array(width);
  measured.forEach((has, gene) => {
    if (!has || mean[gene] === 0) return;
    for (let f = 0; f < width; f++) offset[f] -= mean[gene] * basis[gene * width + f];
  });
  return { fitted, mean, offset, information: coverage.ofLabels ? coverage.share : 1 };
}

/** Take the counts of one cell of a block. */
export function countCell(
  basis: MeasuredBasis,
  encoded: Pick<CellFeatures, "genes" | "counts" | "ends" | "divisor">,
  cell: number,
): CountedCell {
  const { genes, counts, ends, divisor } = encoded;
  const [start, end] = [ends[cell], ends[cell + 1]];
  return { basis, genes: genes.slice(start, end), counts: counts.slice(start, end), divisor: divisor[cell] };
}

/** The cell as if some panel genes had no count in it, but were measured.
 *
 * What its counts are divided by shrinks too, as it would. `own` leads from each gene to its first
 * place, by which they are named.
 */
export function withoutGenes(cell: CountedCell, gone: ReadonlySet<number>, own: Int32Array): CountedCell {
  let lost = 0;
  const counts = cell.counts.map((count, k) => {
    const { [k]: gene } = cell.genes;
    if (!gone.has(own[gene])) return count;
    if (own[gene] === gene) lost += count;
    return 0;
  });
  const divides = cell.basis.fitted.library !== "none";
  return { ...cell, counts, divisor: divides ? cell.divisor - lost : cell.divisor };
}

/** Values of the genes of a cell, in their order. */
export function valuesOf({ genes, counts, divisor, basis: { fitted } }: CountedCell): Float64Array {
  const { cap, log1p, target } = fitted;
  const scale = target / (divisor > 0 ? divisor : 1);
  const values = new Float64Array(counts.length);
  for (let k = 0; k < values.length; k++) {
    const value = counts[k] * scale;
    values[k] = Math.min(log1p ? Math.log1p(value) : value, cap[genes[k]]);
  }
  return values;
}

/** Features of cells, [cells, features], in float64. */
export function featuresOf(cells: readonly CountedCell[]): Float64Array {
  const { width } = cells[0].basis.fitted;
  const found = new Float64Array(cells.length * width);
  cells.forEach((cell, i) => {
    const { fitted, offset } = cell.basis;
    const sum = found.subarray(i * width, (i + 1) * width);
    sum.set(offset);
    valuesOf(cell).forEach((value, k) => {
      if (value === 0) return;
      const row = cell.genes[k] * width;
      for (let f = 0; f < width; f++) sum[f] += value * fitted.basis[row + f];
    });
  });
  return found;
}
