/** The pieces that a format hands over. */

import decisions, { say } from "../decisions";
import { cellRange, damaged, readable } from "../errors";

const { files } = decisions;

/** Raw counts of consecutive cells, CSR. */
export interface CountBlock {
  start: number;
  nCells: number;
  /** [nCells + 1] */
  indptr: Float64Array;
  indices: Int32Array;
  data: Float32Array;
}

/** A few values of a matrix, to judge what it holds. */
export interface Sample {
  values: Float32Array;
  /** Which cell each value belongs to, where those cells are there whole. */
  cells: Int32Array | null;
  /** And which gene. */
  genes: Int32Array | null;
}

export interface Matrix {
  where: string;
  nCells: number;
  nGenes: number;
  blocks(blockCells: number): AsyncIterable<CountBlock> | Iterable<CountBlock>;
  /** The cells `start:stop`; no such method where all before them have to be read. */
  between?(start: number, stop: number): Iterable<CountBlock>;
  sample(): Promise<Sample> | Sample;
  /** Which genes have no stored value; null, or no such method, where reading values is quick. */
  emptyGenes?(): boolean[] | null;
}

/** A table of annotations, read on demand. */
export interface Frame {
  where: string;
  length: number;
  index(start: number, stop: number): string[];
  columns: string[];
  textColumns: string[];
  column(name: string): Column;
}

/** A table of cells that says in which of them something cannot be read. */
export function cellFrame(frame: Frame): Frame {
  const { where } = frame;
  return {
    ...frame,
    index: (start, stop) =>
      readable(cellRange(`${where}, names`, start, stop), () => frame.index(start, stop)),
    column: (name) =>
      readable(`${where}, ${name}`, () => {
        const column = frame.column(name);
        checkRows(frame, name, (column.kind === "category" ? column.codes : column.values).length);
        return column;
      }),
  };
}

/** Refuse a column of another length than its table. */
export function checkRows({ where, length }: Frame, column: string, found: number): void {
  if (found === length) return;
  throw damaged(where, say(files.other_length, { column, found, rows: length }));
}

export type Column =
  | { kind: "text"; values: string[] }
  | { kind: "category"; codes: Int32Array; categories: string[] }
  | { kind: "number"; values: Float32Array };

/** Candidate names of the genes, by column. */
export type GeneColumns = Map<string, string[]>;

export interface Place {
  name: string;
  matrix: Matrix;
  genes(): GeneColumns;
}

/** An opened container: its matrices, opened when asked for, and its cells. */
export interface Contents {
  title: string;
  places: Map<string, () => Place>;
  cells: Frame;
  notes: string[];
  /** Whether it is what was asked for of several genomes. */
  ofGenome?: boolean;
  close(): void;
}

// Most values of a block, unless one cell has more.
export const MAX_NONZEROS = 2_000_000;
export const MAX_GENES = 10_000_000;

/** Parts one after another. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** What some windows of whole cells hold. */
export function sampleOf(windows: readonly Omit<CountBlock, "nCells">[]): Sample {
  const values = joined(windows.map(({ data }) => data));
  const cells = new Int32Array(values.length);
  const genes = new Int32Array(values.length);
  let at = 0;
  for (const { start, indptr, indices } of windows) {
    genes.set(indices, at);
    for (let row = 1; row < indptr.length; row++) {
      const end = at + indptr[row] - indptr[row - 1];
      cells.fill(start + row - 1, at, end);
      at = end;
    }
  }
  return { values, cells, genes };
}

/** Cut rows into runs of at most `MAX_NONZEROS` values, at least one row each. */
export function* cut(pointers: Float64Array): Generator<[number, number]> {
  const nRows = pointers.length - 1;
  for (let start = 0; start < nRows; ) {
    let stop = start + 1;
    while (stop < nRows && pointers[stop + 1] - pointers[start] <= MAX_NONZEROS) stop++;
    yield [start, stop];
    start = stop;
  }
}

/** Yield a large block as blocks of at most `blockCells` cells and `MAX_NONZEROS` values. */
export function* split(block: CountBlock, blockCells: number): Generator<CountBlock> {
  for (let first = 0; first < block.nCells; first += blockCells) {
    const pointers = block.indptr.subarray(first, Math.min(first + blockCells, block.nCells) + 1);
    for (const [start, stop] of cut(pointers)) {
      const low = pointers[start];
      yield {
        start: block.start + first + start,
        nCells: stop - start,
        indptr: pointers.slice(start, stop + 1).map((pointer) => pointer - low),
        indices: block.indices.subarray(low, pointers[stop]),
        data: block.data.subarray(low, pointers[stop]),
      };
    }
  }
}

/** Dense rows as a block that stores what is not zero (NaN is not). */
export function withoutZeros(values: Float32Array, nGenes: number, start: number): CountBlock {
  const nCells = nGenes ? values.length / nGenes : 0;
  const indptr = new Float64Array(nCells + 1);
  let stored = 0;
  for (const value of values) if (value !== 0) stored++;
  const indices = new Int32Array(stored);
  const data = new Float32Array(stored);
  let n = 0;
  for (let cell = 0; cell < nCells; cell++) {
    for (let gene = 0, at = cell * nGenes; gene < nGenes; gene++, at++) {
      if (values[at] !== 0) {
        indices[n] = gene;
        data[n++] = values[at];
      }
    }
    indptr[cell + 1] = n;
  }
  return { start, nCells, indptr, indices, data };
}
