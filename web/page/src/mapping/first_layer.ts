/** First encoder layer straight from the raw counts of a query: no intermediate matrix.
 *
 * Same sum as `kernels/features.py` of the Python package: bias + sum over the panel genes of
 * min(log1p(count * target / library), cap) * weight, where genes that the query lacks stand at what
 * the others make most likely and the library is scaled to the share of counts that those hold.
 */

import { AtlasError } from "../errors";
import type { NpyArray } from "../atlas/npy";
import type { CountBlock } from "../sources/source";
import { weightOfMeasured } from "./missing_genes";

export interface LayerArrays {
  /** [panel, hidden] */
  weight: NpyArray;
  bias: NpyArray;
  cap: NpyArray;
  mean: NpyArray;
  share: NpyArray;
  /** [panel, factors] */
  loading: NpyArray;
  noise: NpyArray;
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

// counts below have their logarithm computed once a cell
const TABLED = 64;

/** Fit the first layer to the genes of one query. */
export function prepare(
  arrays: LayerArrays,
  panelColumn: Int32Array,
  measured: Uint8Array,
  targetSum: number,
): FirstLayer {
  const nGenes = measured.length;
  const nHidden = arrays.bias.data.length;
  const sizes = [arrays.cap, arrays.mean, arrays.share, arrays.noise].map(({ data }) => data.length);
  sizes.push(arrays.loading.shape[0]);
  if (arrays.weight.data.length !== nGenes * nHidden || sizes.some((size) => size !== nGenes)) {
    throw new AtlasError("The sizes of the atlas's first layer do not fit its genes.");
  }
  const weight = weightOfMeasured(arrays, measured);
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
  const { nHidden, cap, bias } = layer;
  const hidden = new Float32Array(block.nCells * nHidden);
  const library = new Float64Array(block.nCells);
  const ends = new Int32Array(block.nCells + 1);
  const genes = new Int32Array(block.data.length);
  const counts = new Float32Array(block.data.length);
  const values = new Float64Array(Math.max(1, block.data.length));
  const slot = new Int32Array(cap.length);
  const logarithms = new Logarithms();
  const sum = new Float64Array(nHidden);
  let n = 0;
  for (let cell = 0; cell < block.nCells; cell++) {
    const first = n;
    n = select(layer, block, cell, genes, counts, first, slot);
    ends[cell + 1] = n;
    let total = 0;
    for (let k = first; k < n; k++) total += counts[k];
    library[cell] = total;
    logarithms.start(total > 0 ? layer.target / total : 0);
    for (let k = first; k < n; k++) {
      values[k - first] = Math.min(logarithms.of(counts[k]), cap[genes[k]]);
    }
    sum.set(bias);
    addRows(sum, layer.weight, genes.subarray(first, n), values);
    hidden.set(sum, cell * nHidden);
  }
  return { hidden, library, genes: genes.slice(0, n), counts: counts.slice(0, n), ends };
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

/** Add rows of the weights times values to `sum`: four at a time, at half the time of one. */
function addRows(
  sum: Float64Array,
  weight: Float32Array,
  rows: Int32Array,
  values: Float64Array,
): void {
  const width = sum.length;
  let k = 0;
  for (; k + 3 < rows.length; k += 4) {
    const a = rows[k] * width;
    const b = rows[k + 1] * width;
    const c = rows[k + 2] * width;
    addFour(sum, weight, a, b, c, rows[k + 3] * width, values, k);
  }
  for (; k < rows.length; k++) {
    const row = rows[k] * width;
    for (let h = 0; h < width; h++) sum[h] += values[k] * weight[row + h];
  }
}

function addFour(
  sum: Float64Array,
  weight: Float32Array,
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
  for (let h = 0; h < sum.length; h++) {
    sum[h] += va * weight[a + h] + vb * weight[b + h] + vc * weight[c + h] + vd * weight[d + h];
  }
}
