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

/** All but the values of cells that were there before: a cell that is copied says nothing again. */
export function ofDistinctCells({ values, cells, genes }: Entries): Entries {
  const totals = summed(cells, values);
  const marks = summed(
    cells,
    values.map((value, i) => value * (genes[i] + 1)),
  );
  const seen = new Set<string>();
  const kept = new Set<number>();
  for (const [cell, total] of totals) {
    const mark = `${total} ${marks.get(cell)}`;
    if (!seen.has(mark)) kept.add(cell);
    seen.add(mark);
  }
  return ofCells({ values, cells, genes }, kept);
}

function ofCells({ values, cells, genes }: Entries, kept: ReadonlySet<number>): Entries {
  const at = [...values.keys()].filter((i) => kept.has(cells[i]));
  return {
    values: at.map((i) => values[i]),
    cells: at.map((i) => cells[i]),
    genes: at.map((i) => genes[i]),
  };
}

/** Leave out cells with less than half the mean sum: chance hardly shows in them. */
function ofFullCells(entries: Entries): Entries {
  const totals = summed(entries.cells, entries.values);
  const mean = sumOf([...totals.values()]) / totals.size;
  const full = [...totals].filter(([, total]) => total >= mean / 2);
  return ofCells(entries, new Set(full.map(([cell]) => cell)));
}

function sumOf(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** Whether several genes vary less over cells than counts can.
 *
 * The variance in parts of the mean, and Pearson's chi-square over cells of their totals, are 1 or
 * more for counts; the bound below that is the quantile of chi-square by Wilson and Hilferty.
 */
export function variesTooLittle(entries: Entries): boolean {
  const { values, cells, genes } = ofFullCells(entries);
  const totals = summed(cells, values);
  const sums = summed(genes, values);
  const n = totals.size;
  if (n < gate.dispersion_cells.value) return false;
  const whole = sumOf([...totals.values()]);
  const isHigh = (sum: number) => sum >= gate.dispersion_mean.value * n && sum < whole / 2;
  const squares = new Map<number, number>();
  const relative = new Map<number, number>();
  for (const [cell, ofCell] of addedUp({ values, cells, genes }, (gene) => isHigh(sums.get(gene)!))) {
    for (const [gene, value] of ofCell) {
      squares.set(gene, (squares.get(gene) ?? 0) + value ** 2);
      relative.set(gene, (relative.get(gene) ?? 0) + value ** 2 / totals.get(cell)!);
    }
  }
  const inverse = sumOf([...totals.values()].map((total) => 1 / total)) / n;
  const tested = squares.size;
  let ofMean = 0;
  let ofTotals = 0;
  for (const [gene, square] of squares) {
    const sum = sums.get(gene)!;
    const ninth = (2 + (whole / sum) * inverse) / (9 * (n - 1));
    const least = Math.max(1 - ninth - gate.dispersion_unlikely.value * Math.sqrt(ninth), 0);
    const bound = least ** 3 * (n - 1) * (1 - sum / whole);
    if ((square - sum ** 2 / n) / (sum / n) < bound) ofMean++;
    if ((relative.get(gene)! * whole) / sum - sum < bound) ofTotals++;
  }
  const enough = Math.max(gate.dispersion_genes.value, gate.dispersion_share.value * tested);
  return Math.max(ofMean, ofTotals) >= enough;
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

/** Whether genes have about one mean, the larger values the fewer cells they are seen in. */
export function isFlat({ values, cells, genes }: Entries): boolean {
  const nCells = new Set(cells).size;
  if (nCells < gate.dispersion_cells.value) return false;
  const ofGene = summed(genes, values);
  const ofSeen = summed(
    genes,
    genes.map(() => 1),
  );
  const sums = [...ofGene.values()];
  const seen = [...ofGene.keys()].map((gene) => ofSeen.get(gene)!);
  const meetings = sumOf(sums.map((sum) => sum * (sum - 1)));
  const many = sums.length >= gate.flat_genes.value;
  if (!many || sumOf(sums) ** 2 <= gate.flat.value * sums.length * meetings) return false;
  const share = sumOf(seen) / seen.length / nCells;
  const byChance = nCells * share * (1 - share);
  if (product(centred(seen), centred(seen)) / seen.length < gate.seen_varies.value * byChance) {
    return false;
  }
  const often = centred(seen.map(Math.log));
  const large = centred(sums.map((sum, i) => Math.log(sum / seen[i])));
  const most = Math.sqrt(product(often, often) * product(large, large));
  return product(often, large) < gate.rarer_larger.value * most;
}

function centred(values: readonly number[]): number[] {
  const mean = sumOf(values) / values.length;
  return values.map((value) => value - mean);
}

function product(one: readonly number[], other: readonly number[]): number {
  return sumOf(one.map((value, i) => value * other[i]));
}
