/** Matrices stored with every zero (dense): read in slabs of cells. */

import type { Dataset } from "h5wasm";

import { cellRange, readable } from "../errors";
import { sampleWindows } from "./csr";
import { readFloats } from "./hdf5_values";
import { type CountBlock, type Matrix, type Sample, sampleOf, split, withoutZeros } from "./source";

// 64 MB of values at a time
const SLAB_VALUES = 16_000_000;

export class DenseMatrix implements Matrix {
  readonly nCells: number;
  readonly nGenes: number;

  constructor(
    readonly where: string,
    private readonly values: Dataset,
  ) {
    [this.nCells, this.nGenes] = values.shape ?? [0, 0];
  }

  *blocks(blockCells: number): Generator<CountBlock> {
    const fits = Math.max(1, Math.floor(SLAB_VALUES / Math.max(1, this.nGenes)));
    const chunk = this.values.metadata.chunks?.[0] ?? 1;
    // whole chunks where they fit, so that none is inflated twice
    const slab = chunk < fits ? fits - (fits % chunk) : fits;
    for (let low = 0; low < this.nCells; low += slab) {
      const block = this.rows(low, Math.min(low + slab, this.nCells));
      yield* split(block, blockCells);
    }
  }

  *between(start: number, stop: number): Generator<CountBlock> {
    yield this.rows(start, stop);
  }

  sample(): Sample {
    return sampleOf(sampleWindows(this.nCells).map(([start, stop]) => this.rows(start, stop)));
  }

  private rows(low: number, high: number): CountBlock {
    return readable(cellRange(this.where, low, high), () =>
      withoutZeros(readFloats(this.values, low, high), this.nGenes, low),
    );
  }
}
