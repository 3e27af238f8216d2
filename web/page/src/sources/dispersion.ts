/** How values vary from cell to cell: counts vary at least as chance makes them, and genes differ.
 *
 * Same decisions as `runtime/sources/dispersion.py` of the Python package.
 */

import decisions from "../decisions";

const { gate } = decisions;

/** Values of whole cells, none of which is zero. */
export interface Entries {
  values: readonly number[];
  cells: readonly number[];
  genes: readonly number[];
}

/** Whether several genes vary less over cells than counts can.
 *
 * The variance in parts of the mean, and Pearson's chi-square over cells of their totals, are 1 or
 * more for counts; the bound below that is the quantile of chi-square by Wilson and Hilferty.
 */
export function variesTooLittle({ values, cells, genes }: Entries): boolean {
  const totals = summed(cells, values);
  const sums = summed(genes, values);
  const n = totals.size;
  if (n < gate.dispersion_cells.value) return false;
  const whole = [...totals.values()].reduce((a, b) => a + b, 0);
  const isHigh = (sum: number) => sum >= gate.dispersion_mean.value * n && sum < whole / 2;
  const squares = new Map<number, number>();
  const relative = new Map<number, number>();
  for (const [cell, ofCell] of addedUp({ values, cells, genes }, (gene) => isHigh(sums.get(gene)!))) {
    for (const [gene, value] of ofCell) {
      squares.set(gene, (squares.get(gene) ?? 0) + value ** 2);
      relative.set(gene, (relative.get(gene) ?? 0) + value ** 2 / totals.get(cell)!);
    }
  }
  const ninth = 2 / (9 * (n - 1));
  const quantile = (1 - ninth - gate.dispersion_unlikely.value * Math.sqrt(ninth)) ** 3;
  let ofMean = 0;
  let ofTotals = 0;
  for (const [gene, square] of squares) {
    const sum = sums.get(gene)!;
    const bound = quantile * (n - 1) * (1 - sum / whole);
    if ((square - sum ** 2 / n) / (sum / n) < bound) ofMean++;
    if ((relative.get(gene)! * whole) / sum - sum < bound) ofTotals++;
  }
  return Math.max(ofMean, ofTotals) >= gate.dispersion_genes.value;
}

/** Values of some genes by cell and gene, those of one gene in one cell as one. */
function addedUp({ values, cells, genes }: Entries, kept: (gene: number) => boolean) {
  const found = new Map<number, Map<number, number>>();
  values.forEach((value, i) => {
    if (!kept(genes[i])) return;
    const ofCell = found.get(cells[i]) ?? new Map<number, number>();
    found.set(cells[i], ofCell.set(genes[i], (ofCell.get(genes[i]) ?? 0) + value));
  });
  return found;
}

function summed(keys: readonly number[], values: readonly number[]): Map<number, number> {
  const sums = new Map<number, number>();
  keys.forEach((key, i) => sums.set(key, (sums.get(key) ?? 0) + values[i]));
  return sums;
}

/** Whether all genes have about one mean, as scaled values have and no counts. */
export function isFlat({ values, cells, genes }: Entries): boolean {
  if (new Set(cells).size < gate.dispersion_cells.value) return false;
  const sums = [...summed(genes, values).values()];
  const whole = sums.reduce((a, b) => a + b, 0);
  const meetings = sums.reduce((a, b) => a + b * (b - 1), 0);
  const many = sums.length >= gate.flat_genes.value;
  return many && whole ** 2 > gate.flat.value * sums.length * meetings;
}
