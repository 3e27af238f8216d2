/** Matrices stored cell by cell (CSR): read straight through, a block at a time. */

import { cellRange, readable } from "../errors";
import { Compressed } from "./compressed";
import { readFloats, readPointers, readPositions } from "./hdf5_values";
import { type CountBlock, cut, type Sample, sampleOf } from "./source";

// Cells looked at to judge a matrix: this many at the start of each of a few windows.
const SAMPLE_WINDOWS = 8;
const SAMPLE_CELLS = 16;
const READ_CELLS = 65_536;

/** A few short windows of cells, the first at the start, the last at the end. */
export function sampleWindows(nCells: number): [number, number][] {
  const last = Math.max(0, nCells - SAMPLE_CELLS);
  const steps = Array.from({ length: SAMPLE_WINDOWS }, (_, step) =>
    Math.floor((last * step) / (SAMPLE_WINDOWS - 1)),
  );
  const starts = [...new Set(steps)];
  return starts.map((start, i) => [
    start,
    Math.min(start + SAMPLE_CELLS, starts[i + 1] ?? nCells),
  ]);
}

export class CsrMatrix extends Compressed {
  *blocks(blockCells: number): Generator<CountBlock> {
    // pointers of many blocks at once: they lie in few, large chunks
    for (let begin = 0; begin < this.nCells; begin += READ_CELLS) {
      const end = Math.min(begin + READ_CELLS, this.nCells);
      const pointers = this.pointers(begin, end);
      for (let low = begin; low < end; low += blockCells) {
        const high = Math.min(low + blockCells, end);
        const here = pointers.subarray(low - begin, high - begin + 1);
        for (const [first, last] of cut(here)) {
          yield this.block(low + first, here.subarray(first, last + 1));
        }
      }
    }
  }

  *between(start: number, stop: number): Generator<CountBlock> {
    const pointers = this.pointers(start, stop);
    for (const [first, last] of cut(pointers)) yield this.block(start + first, pointers.subarray(first, last + 1));
  }

  sample(): Sample {
    const windows = sampleWindows(this.nCells).map(([start, stop]) => {
      const pointers = this.pointers(start, stop);
      const [, kept] = cut(pointers).next().value ?? [0, 0];
      const place = cellRange(this.where, start, start + kept);
      const [begin, end] = [pointers[0], pointers[kept]];
      return readable(place, () => ({
        start,
        indptr: pointers.subarray(0, kept + 1),
        indices: readPositions(this.indices, begin, end, this.nGenes),
        data: readFloats(this.data, begin, end),
      }));
    });
    return sampleOf(windows);
  }

  private pointers(start: number, stop: number): Float64Array {
    const place = cellRange(this.where, start, stop);
    return readPointers(place, this.indptr, start, stop, this.stored);
  }

  private block(start: number, pointers: Float64Array): CountBlock {
    const nCells = pointers.length - 1;
    const [begin, end] = [pointers[0], pointers[nCells]];
    return readable(cellRange(this.where, start, start + nCells), () => ({
      start,
      nCells,
      indptr: pointers.map((pointer) => pointer - begin),
      indices: readPositions(this.indices, begin, end, this.nGenes),
      data: readFloats(this.data, begin, end),
    }));
  }
}
