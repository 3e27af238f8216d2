/** Linear features straight from the raw counts of a query: no intermediate matrix.
 *
 * Same sum as `kernels/features.py` of the Python package: over the panel genes of
 * (min(log1p(count * target / library), cap) - mean) * basis, where genes that the query lacks stand
 * at what the others make most likely and the library is scaled to the share of counts that those
 * hold.
 */

import type { NpyArray } from "../atlas/npy";
import type { Parts } from "../atlas/parts";
import type { Features } from "../atlas/session";
import type { CountBlock } from "../sources/source";
import { basisOfMeasured, type FactorModel } from "./missing_genes";

/** What an atlas makes features with. */
export interface PanelGenes extends FactorModel {
  cap: NpyArray;
  mean: NpyArray;
  share: NpyArray;
  /** Counts that a cell with all genes is scaled to. */
  target: number;
}

/** The basis fitted to the genes of one query. */
export interface QueryBasis {
  /** [query genes], row of `basis` and `cap`, or -1. */
  panelColumn: Int32Array;
  basis: Float32Array;
  cap: Float32Array;
  /** [features], of a cell in which every gene stands at 0. */
  offset: Float32Array;
  width: number;
  /** Counts that a cell is scaled to. */
  target: number;
}

export interface CellFeatures {
  features: Features;
  library: Float64Array;
  /** Panel genes of all cells, cell after cell, and their counts: for colouring by gene. */
  genes: Int32Array;
  counts: Float32Array;
  ends: Int32Array;
}

// counts below have their logarithm computed once a cell
const TABLED = 64;

export async function readPanelGenes(parts: Parts): Promise<PanelGenes> {
  const names = ["basis", "gene_cap", "gene_mean", "gene_share", "gene_loading", "gene_noise"];
  const [basis, cap, mean, share, loading, noise] = await Promise.all(
    names.map((name) => parts.array(name)),
  );
  return { basis, cap, mean, share, loading, noise, target: parts.manifest.input.target ?? 0 };
}

/** Fit the basis to the genes of one query. */
export function queryBasis(
  arrays: PanelGenes,
  panelColumn: Int32Array,
  measured: Uint8Array,
): QueryBasis {
  const width = arrays.basis.shape[1];
  const basis = basisOfMeasured(arrays, measured);
  const centre = new Float64Array(width);
  let share = 0;
  measured.forEach((has, gene) => {
    if (!has) return;
    share += arrays.share.data[gene];
    const mean = arrays.mean.data[gene];
    for (let f = 0; f < width; f++) centre[f] += mean * basis[gene * width + f];
  });
  return {
    panelColumn,
    basis,
    cap: arrays.cap.data as Float32Array,
    offset: Float32Array.from(centre, (value) => -value),
    width,
    target: arrays.target * share,
  };
}

/** Features of raw counts; a cell without counts in the panel gets the offset. */
export function linearFeatures(fitted: QueryBasis, block: CountBlock): CellFeatures {
  const { width, cap, offset } = fitted;
  const values = new Float32Array(block.nCells * width);
  const library = new Float64Array(block.nCells);
  const ends = new Int32Array(block.nCells + 1);
  const genes = new Int32Array(block.data.length);
  const counts = new Float32Array(block.data.length);
  const logs = new Float64Array(Math.max(1, block.data.length));
  const slot = new Int32Array(cap.length);
  const logarithms = new Logarithms();
  const sum = new Float64Array(width);
  let n = 0;
  for (let cell = 0; cell < block.nCells; cell++) {
    const first = n;
    n = select(fitted, block, cell, genes, counts, first, slot);
    ends[cell + 1] = n;
    let total = 0;
    for (let k = first; k < n; k++) total += counts[k];
    library[cell] = total;
    logarithms.start(total > 0 ? fitted.target / total : 0);
    for (let k = first; k < n; k++) {
      logs[k - first] = Math.min(logarithms.of(counts[k]), cap[genes[k]]);
    }
    sum.set(offset);
    addRows(sum, fitted.basis, genes.subarray(first, n), logs);
    values.set(sum, cell * width);
  }
  const features = { width, values };
  return { features, library, genes: genes.slice(0, n), counts: counts.slice(0, n), ends };
}

/** log1p(count * scale) of one cell; most counts are small and come again and again. */
class Logarithms {
  private readonly known = new Float64Array(TABLED);
  private scale = 0;

  start(scale: number): void {
    this.scale = scale;
    this.known.fill(-1);
  }

  of(count: number): number {
    if (count >= TABLED || count !== Math.floor(count)) return Math.log1p(count * this.scale);
    const found = this.known[count];
    if (found >= 0) return found;
    return (this.known[count] = Math.log1p(count * this.scale));
  }
}

/** Write a cell's panel genes and their summed counts from `first` on; return where they end. */
function select(
  fitted: QueryBasis,
  block: CountBlock,
  cell: number,
  genes: Int32Array,
  counts: Float32Array,
  first: number,
  slot: Int32Array,
): number {
  const { panelColumn } = fitted;
  const end = block.indptr[cell + 1];
  let n = first;
  for (let k = block.indptr[cell]; k < end; k++) {
    const gene = panelColumn[block.indices[k]];
    if (gene < 0) continue;
    // slot says where the gene was put last; checking it there spares clearing it for every cell
    const at = slot[gene];
    if (at >= first && at < n && genes[at] === gene) {
      counts[at] += block.data[k];
    } else {
      slot[gene] = n;
      genes[n] = gene;
      counts[n++] = block.data[k];
    }
  }
  return n;
}

/** Add rows of the basis times values to `sum`: four at a time, at half the time of one. */
function addRows(
  sum: Float64Array,
  basis: Float32Array,
  rows: Int32Array,
  values: Float64Array,
): void {
  const width = sum.length;
  let k = 0;
  for (; k + 3 < rows.length; k += 4) {
    const a = rows[k] * width;
    const b = rows[k + 1] * width;
    const c = rows[k + 2] * width;
    addFour(sum, basis, a, b, c, rows[k + 3] * width, values, k);
  }
  for (; k < rows.length; k++) {
    const row = rows[k] * width;
    for (let f = 0; f < width; f++) sum[f] += values[k] * basis[row + f];
  }
}

function addFour(
  sum: Float64Array,
  basis: Float32Array,
  a: number,
  b: number,
  c: number,
  d: number,
  values: Float64Array,
  k: number,
): void {
  const va = values[k];
  const vb = values[k + 1];
  const vc = values[k + 2];
  const vd = values[k + 3];
  for (let f = 0; f < sum.length; f++) {
    sum[f] += va * basis[a + f] + vb * basis[b + f] + vc * basis[c + f] + vd * basis[d + f];
  }
}
