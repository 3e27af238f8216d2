/** Matrices stored cell by cell (CSR): read straight through, a block at a time. */

import type { Dataset } from "h5wasm";

import { readable } from "../errors";
import { cellRange } from "../words";
import { readFloats, readPointers, readPositions } from "./hdf5_values";
import { type CountBlock, cut, type Matrix, type Sample } from "./source";

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

export class CsrMatrix implements Matrix {
  constructor(
    readonly where: string,
    readonly nCells: number,
    readonly nGenes: number,
    private readonly indptr: Dataset,
    private readonly indices: Dataset,
    private readonly data: Dataset,
  ) {}

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

  sample(): Sample {
    const values: Float32Array[] = [];
    const owners: number[] = [];
    for (const [start, stop] of sampleWindows(this.nCells)) {
      const pointers = this.pointers(start, stop);
      const [, kept] = cut(pointers).next().value ?? [0, 0];
      const place = cellRange(this.where, start, start + kept);
      values.push(readable(place, () => readFloats(this.data, pointers[0], pointers[kept])));
      for (let row = 0; row < kept; row++) {
        for (let k = pointers[row]; k < pointers[row + 1]; k++) owners.push(start + row);
      }
    }
    return { values: joined(values), cells: Int32Array.from(owners) };
  }

  private pointers(start: number, stop: number): Float64Array {
    const stored = this.data.shape?.[0] ?? 0;
    return readPointers(cellRange(this.where, start, stop), this.indptr, start, stop, stored);
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

export function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
