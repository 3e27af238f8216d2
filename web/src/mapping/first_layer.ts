/** First encoder layer straight from the raw counts of a query: no intermediate matrix.
 *
 * Same sum as `kernels/first_layer.py` of the Python package: bias + sum over the panel genes of
 * min(log1p(count * target / library), cap) * weight, where genes that the query lacks stand at the
 * reference mean and the library is scaled to the share of counts that the others hold.
 */

import { AtlasError } from "../errors";
import type { NpyArray } from "../atlas/npy";
import type { CountBlock } from "../sources/source";

export interface LayerArrays {
  /** [panel, hidden] */
  weight: NpyArray;
  bias: NpyArray;
  cap: NpyArray;
  mean: NpyArray;
  share: NpyArray;
}

export interface FirstLayer {
  /** [query genes], row of `weight` and `cap`, or -1. */
  panelColumn: Int32Array;
  weight: Float32Array;
  cap: Float32Array;
  bias: Float32Array;
  nHidden: number;
  /** Counts that a cell is scaled to. */
  target: number;
}

export interface Hidden {
  /** [cells, hidden] */
  hidden: Float32Array;
  library: Float64Array;
  /** Panel genes of all cells, cell after cell, and their counts: for colouring by gene. */
  genes: Int32Array;
  counts: Float32Array;
  ends: Int32Array;
}

/** Fit the first layer to the genes of one query. */
export function prepare(
  arrays: LayerArrays,
  panelColumn: Int32Array,
  measured: Uint8Array,
  targetSum: number,
): FirstLayer {
  const nGenes = measured.length;
  const nHidden = arrays.bias.data.length;
  const sizes = [arrays.cap, arrays.mean, arrays.share].map((array) => array.data.length);
  if (arrays.weight.data.length !== nGenes * nHidden || sizes.some((size) => size !== nGenes)) {
    throw new AtlasError("The sizes of the atlas's first layer do not fit its genes.");
  }
  const weight = arrays.weight.data as Float32Array;
  const shift = new Float64Array(nHidden);
  let share = 0;
  for (let gene = 0; gene < nGenes; gene++) {
    if (!measured[gene]) continue;
    share += arrays.share.data[gene];
    const mean = arrays.mean.data[gene];
    for (let h = 0; h < nHidden; h++) shift[h] += mean * weight[gene * nHidden + h];
  }
  return {
    panelColumn,
    weight,
    cap: arrays.cap.data as Float32Array,
    bias: Float32Array.from(shift, (value, h) => arrays.bias.data[h] - value),
    nHidden,
    target: targetSum * Math.fround(share),
  };
}

/** Apply the first layer to raw counts; a cell without counts in the panel gets the bias. */
export function encode(layer: FirstLayer, block: CountBlock): Hidden {
  const { nHidden, weight, cap, bias } = layer;
  const hidden = new Float32Array(block.nCells * nHidden);
  const library = new Float64Array(block.nCells);
  const ends = new Int32Array(block.nCells + 1);
  const genes = new Int32Array(block.data.length);
  const counts = new Float32Array(block.data.length);
  const slot = new Int32Array(cap.length);
  const sum = new Float64Array(nHidden);
  let n = 0;
  for (let cell = 0; cell < block.nCells; cell++) {
    const first = n;
    n = select(layer, block, cell, genes, counts, first, slot);
    ends[cell + 1] = n;
    let total = 0;
    for (let k = first; k < n; k++) total += counts[k];
    library[cell] = total;
    const scale = total > 0 ? layer.target / total : 0;
    sum.set(bias);
    for (let k = first; k < n; k++) {
      const gene = genes[k];
      const value = Math.min(Math.log1p(counts[k] * scale), cap[gene]);
      addRow(sum, weight, gene * nHidden, value);
    }
    hidden.set(sum, cell * nHidden);
  }
  return { hidden, library, genes: genes.slice(0, n), counts: counts.slice(0, n), ends };
}

/** Write a cell's panel genes and their summed counts from `first` on; return where they end. */
function select(
  layer: FirstLayer,
  block: CountBlock,
  cell: number,
  genes: Int32Array,
  counts: Float32Array,
  first: number,
  slot: Int32Array,
): number {
  const { panelColumn } = layer;
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

function addRow(sum: Float64Array, weight: Float32Array, row: number, value: number): void {
  for (let h = 0; h < sum.length; h++) sum[h] += value * weight[row + h];
}
