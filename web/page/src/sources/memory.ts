/** Counts that are in memory already: a CSR matrix with the names of its genes.
 *
 * Read and refused as `runtime/sources/memory.py` of the Python package does.
 */

import decisions, { say } from "../decisions";
import { cellRange, damaged, InputError, readable } from "../errors";
import { sampleWindows } from "./csr";
import { type Contents, type CountBlock, cut, type Matrix, type Sample, sampleOf } from "./source";
import { barcodeFrame } from "./tenx";

const { memory } = decisions;
const { where } = memory;

/** Raw counts of cells, one row a cell. */
export interface Counts {
  /** [cells + 1], where the entries of each cell begin and those of the last end. */
  indptr: ArrayLike<number>;
  /** [entries], the gene of each, counted from 0. */
  indices: ArrayLike<number>;
  /** [entries], counts. */
  data: ArrayLike<number>;
  /** [genes], symbols or Ensembl ids. */
  genes: readonly string[];
  /** [cells]; they are numbered where there are none. */
  cells?: readonly string[];
}

export function openCounts({ indptr, indices, data, genes, cells }: Counts): Contents {
  const nCells = Math.max(0, indptr.length - 1);
  checkLengths(indptr, indices, data);
  if (cells && cells.length !== nCells) {
    throw new InputError(say(memory.other_cells, { where, cells: nCells, names: cells.length }));
  }
  const matrix = new MemoryMatrix(genes.length, nCells, indptr, indices, data);
  const columns = new Map([["index", [...genes]]]);
  const names = (start: number, stop: number) =>
    cells ? cells.slice(start, stop) : Array.from({ length: stop - start }, (_, i) => String(start + i));
  const place = { name: "X", matrix, genes: () => columns };
  return {
    title: where,
    places: new Map([["X", () => place]]),
    cells: barcodeFrame(`${where}, cell names`, nCells, names),
    notes: [],
    close: () => undefined,
  };
}

function checkLengths(
  indptr: ArrayLike<number>,
  indices: ArrayLike<number>,
  data: ArrayLike<number>,
): void {
  if (indices.length !== data.length) {
    throw damaged(where, `'indices' has ${indices.length} entries and 'data' has ${data.length}`);
  }
  const [first, last] = [Number(indptr[0]), Number(indptr[indptr.length - 1])];
  if (first !== 0 || last !== data.length) {
    throw damaged(where, `'indptr' runs from ${first} to ${last} where 0 to ${data.length} is expected`);
  }
}

class MemoryMatrix implements Matrix {
  readonly where = where;

  constructor(
    readonly nGenes: number,
    readonly nCells: number,
    private readonly indptr: ArrayLike<number>,
    private readonly indices: ArrayLike<number>,
    private readonly data: ArrayLike<number>,
  ) {}

  *blocks(blockCells: number): Generator<CountBlock> {
    for (let low = 0; low < this.nCells; low += blockCells) {
      const pointers = this.pointers(low, Math.min(low + blockCells, this.nCells));
      for (const [first, last] of cut(pointers)) {
        yield this.block(low + first, pointers.subarray(first, last + 1));
      }
    }
  }

  sample(): Sample {
    const windows = sampleWindows(this.nCells).map(([start, stop]) => this.block(start, this.pointers(start, stop)));
    return sampleOf(windows);
  }

  private pointers(start: number, stop: number): Float64Array {
    const pointers = Float64Array.from({ length: stop - start + 1 }, (_, i) => Number(this.indptr[start + i]));
    const rises = pointers.every((one, i) => Number.isInteger(one) && one >= (i ? pointers[i - 1] : 0));
    if (!rises || pointers[pointers.length - 1] > this.data.length) {
      throw damaged(cellRange(where, start, stop), "'indptr' falls or leaves the stored values");
    }
    return pointers;
  }

  private block(start: number, pointers: Float64Array): CountBlock {
    const nCells = pointers.length - 1;
    const [begin, end] = [pointers[0], pointers[nCells]];
    return readable(cellRange(where, start, start + nCells), () => ({
      start,
      nCells,
      indptr: pointers.map((pointer) => pointer - begin),
      indices: this.positions(begin, end),
      data: Float32Array.from({ length: end - begin }, (_, i) => Number(this.data[begin + i])),
    }));
  }

  private positions(begin: number, end: number): Int32Array {
    const positions = new Int32Array(end - begin);
    for (let at = begin; at < end; at++) {
      const gene = Number(this.indices[at]);
      if (!(Number.isInteger(gene) && gene >= 0 && gene < this.nGenes)) {
        throw new InputError(`a position lies outside 0 to ${this.nGenes - 1}`);
      }
      positions[at - begin] = gene;
    }
    return positions;
  }
}
