/** Matrices of text in another order than by cell, such as R writes of cells by genes.
 *
 * One scan of the text counts the values of every cell, and each run of at most `SUPER_NONZEROS`
 * values takes one more; memory is one of these.
 */

import { damaged } from "../errors";
import { type CountBlock, type Matrix, type Sample, sampleOf, split } from "./source";

const SUPER_NONZEROS = 20_000_000;
const SAMPLE_CELLS = 256;

/** Cells and genes of entries, from zero on, and their values; the first `n` of each. */
export interface Entries {
  n: number;
  cells: Int32Array;
  genes: Int32Array;
  values: Float32Array;
}

export class UnsortedMtxMatrix implements Matrix {
  private perCell: Float64Array | null = null;

  constructor(
    readonly where: string,
    readonly nCells: number,
    readonly nGenes: number,
    /** Checked entries from the first one on. */
    private readonly entries: () => AsyncIterable<Entries>,
  ) {}

  async *blocks(blockCells: number): AsyncGenerator<CountBlock> {
    const perCell = await this.valuesPerCell();
    for (let low = 0; low < this.nCells; ) {
      let high = low + 1;
      let most = perCell[low];
      while (high < this.nCells && most + perCell[high] <= SUPER_NONZEROS) most += perCell[high++];
      yield* split(await this.gathered(perCell, low, high), blockCells);
      low = high;
    }
  }

  async sample(): Promise<Sample> {
    const perCell = await this.valuesPerCell();
    return sampleOf([await this.gathered(perCell, 0, Math.min(SAMPLE_CELLS, this.nCells))]);
  }

  private async valuesPerCell(): Promise<Float64Array> {
    if (this.perCell) return this.perCell;
    const perCell = new Float64Array(this.nCells);
    for await (const { n, cells } of this.entries()) {
      for (let k = 0; k < n; k++) perCell[cells[k]]++;
    }
    return (this.perCell = perCell);
  }

  /** Scan the text and return the cells `low:high`. */
  private async gathered(perCell: Float64Array, low: number, high: number): Promise<CountBlock> {
    const indptr = new Float64Array(high - low + 1);
    for (let cell = low; cell < high; cell++) {
      indptr[cell - low + 1] = indptr[cell - low] + perCell[cell];
    }
    const next = indptr.slice();
    const indices = new Int32Array(indptr[high - low]);
    const data = new Float32Array(indptr[high - low]);
    for await (const { n, cells, genes, values } of this.entries()) {
      for (let k = 0; k < n; k++) {
        if (cells[k] < low || cells[k] >= high) continue;
        const at = next[cells[k] - low]++;
        if (at >= indptr[cells[k] - low + 1]) throw damaged(this.where, "it changes while it is read");
        indices[at] = genes[k];
        data[at] = values[k];
      }
    }
    return { start: low, nCells: high - low, indptr, indices, data };
  }
}
