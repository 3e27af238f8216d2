/** Matrices stored gene by gene (CSC): turned round in bounded memory.
 *
 * The cells are cut into runs of at most `SUPER_NONZEROS` values; each run takes one scan of the
 * matrix. Large files are read faster when saved as CSR.
 */

import { readable } from "../errors";
import { Compressed } from "./compressed";
import { sampleWindows } from "./csr";
import { readFloats, readPointers, readPositions } from "./hdf5_values";
import { type CountBlock, joined, type Sample, sampleOf, split } from "./source";

const SUPER_NONZEROS = 20_000_000;
const PIECE = 2_000_000;
const SAMPLE_PIECES = 8;
const SAMPLE_VALUES = 4_000;
// a matrix of so many values is turned round quickly to look at whole cells
const SAMPLE_WHOLE = 4_000_000;

export class CscMatrix extends Compressed {
  *blocks(blockCells: number): Generator<CountBlock> {
    const { stored } = this;
    const pointers = this.pointers();
    const perCell = this.valuesPerCell(stored);
    for (let low = 0; low < this.nCells; ) {
      let high = low + 1;
      let most = perCell[low];
      while (high < this.nCells && most + perCell[high] <= SUPER_NONZEROS) most += perCell[high++];
      yield* split(this.turn(pointers, perCell, low, high, most), blockCells);
      low = high;
    }
  }

  /** All values of a small matrix, a few runs from all over a large one. */
  sample(): Sample {
    const { stored } = this;
    if (stored && stored <= SAMPLE_WHOLE) return this.wholeCells();
    const last = Math.max(0, stored - SAMPLE_VALUES);
    const starts = new Set(
      Array.from({ length: SAMPLE_PIECES }, (_, step) =>
        Math.floor((last * step) / (SAMPLE_PIECES - 1)),
      ),
    );
    const pieces = readable(this.where, () =>
      [...starts].map((s) => readFloats(this.data, s, Math.min(s + SAMPLE_VALUES, stored))),
    );
    return { values: joined(pieces), cells: null, genes: null };
  }

  emptyGenes(): boolean[] | null {
    if (this.stored <= SAMPLE_WHOLE) return null;
    const pointers = [...this.pointers()];
    return pointers.slice(1).map((end, gene) => end === pointers[gene]);
  }

  private pointers(): Float64Array {
    return readPointers(this.where, this.indptr, 0, this.nGenes, this.stored);
  }

  private wholeCells(): Sample {
    const pointers = this.pointers();
    const perCell = this.valuesPerCell(this.stored);
    const { indptr, indices, data } = this.turn(pointers, perCell, 0, this.nCells, this.stored);
    const windows = sampleWindows(this.nCells).map(([start, stop]) => ({
      start,
      indptr: indptr.subarray(start, stop + 1),
      indices: indices.subarray(indptr[start], indptr[stop]),
      data: data.subarray(indptr[start], indptr[stop]),
    }));
    return sampleOf(windows);
  }

  private valuesPerCell(stored: number): Float64Array {
    const perCell = new Float64Array(this.nCells);
    for (let low = 0; low < stored; low += PIECE) {
      for (const cell of this.positions(low, Math.min(low + PIECE, stored))) perCell[cell]++;
    }
    return perCell;
  }

  private positions(begin: number, end: number): Int32Array {
    return readable(`${this.where}, values ${begin} to ${end - 1}`, () =>
      readPositions(this.indices, begin, end, this.nCells),
    );
  }

  /** Scan all values and return those of the cells `low:high`, by cell. */
  private turn(
    pointers: Float64Array,
    perCell: Float64Array,
    low: number,
    high: number,
    most: number,
  ): CountBlock {
    const indptr = new Float64Array(high - low + 1);
    for (let cell = low; cell < high; cell++) {
      indptr[cell - low + 1] = indptr[cell - low] + perCell[cell];
    }
    const next = indptr.slice();
    const indices = new Int32Array(most);
    const data = new Float32Array(most);
    const stored = pointers[this.nGenes];
    let gene = 0;
    for (let begin = 0; begin < stored; begin += PIECE) {
      const end = Math.min(begin + PIECE, stored);
      const cells = this.positions(begin, end);
      const values = readable(this.where, () => readFloats(this.data, begin, end));
      for (let k = 0; k < cells.length; k++) {
        while (pointers[gene + 1] <= begin + k) gene++;
        const cell = cells[k];
        if (cell < low || cell >= high) continue;
        const at = next[cell - low]++;
        indices[at] = gene;
        data[at] = values[k];
      }
    }
    return { start: low, nCells: high - low, indptr, indices, data };
  }
}
