/** Matrices of text: 10x Genomics, STARsolo, kb-python, alevin-fry, Parse. */

import decisions, { say } from "../decisions";
import { damaged, InputError } from "../errors";
import { type Entries, UnsortedMtxMatrix } from "./mtx_unsorted";
import { featureColumns, readBarcodes, readFeatures } from "./name_tables";
import { refuseStandIn } from "./refusals";
import { type Contents, type CountBlock, type Matrix, MAX_NONZEROS, type Sample, sampleOf } from "./source";
import { barcodeFrame } from "./tenx";
import { inflated, wholeLines } from "./text_stream";
import { parseTriplets } from "./triplets";
import { findTriple } from "./triples";

const SAMPLE_CELLS = 256;
// enough to tell whether they come by cell
const ENTRIES_TO_TELL = 100_000;
const HEADER_BYTES = 1 << 20;

interface Header {
  nGenes: number;
  nCells: number;
  nEntries: number;
  withValues: boolean;
  /** An entry is 'cell gene count', sorted by cell all the same. */
  cellsFirst: boolean;
  /** Bytes before the first entry. */
  length: number;
}

export async function openTenxMtx(files: readonly File[]): Promise<Contents> {
  const parts = findTriple(files);
  for (const part of [parts.matrix, parts.features, parts.barcodes]) await refuseStandIn(part);
  const title = parts.matrix.name;
  const stored = await readHeader(parts.matrix);
  const sizes = [stored.nGenes, stored.nCells];
  const rows = await readFeatures(parts, sizes);
  const barcodes = await readBarcodes(parts.barcodes, sizes);
  const [header, turned] = rightWay(title, stored, parts.cellsFirst, rows.length, barcodes.length);
  const [columns, notes] = featureColumns(parts.features.name, rows);
  const entries = () => checkedEntries(title, parts.matrix, header);
  const sorted = await beginsSorted(entries());
  const matrix = sorted
    ? new MtxMatrix(title, parts.matrix, header)
    : new UnsortedMtxMatrix(title, header.nCells, header.nGenes, entries);
  if (!sorted) turned.push(say(decisions.files.unsorted, { where: title }));
  const cells = barcodeFrame(parts.barcodes.name, barcodes.length, (start, stop) =>
    barcodes.slice(start, stop),
  );
  const place = { name: "matrix", matrix, genes: () => columns };
  const places = new Map([["X", () => place]]);
  return { title, places, cells, notes: [...turned, ...notes], close: () => undefined };
}

/** The matrix with its axes as the names beside it say, else as its program writes. */
function rightWay(
  where: string,
  stored: Header,
  cellsFirst: boolean,
  nGenes: number,
  nCells: number,
): [Header, string[]] {
  const turned = {
    ...stored,
    nGenes: stored.nCells,
    nCells: stored.nGenes,
    cellsFirst: !stored.cellsFirst,
  };
  const [first, other] = cellsFirst ? [turned, stored] : [stored, turned];
  for (const one of [first, other]) {
    if (one.nGenes !== nGenes || one.nCells !== nCells) continue;
    const said = one === turned && !cellsFirst;
    return [one, said ? [say(decisions.files.turned_matrix, { where })] : []];
  }
  throw new InputError(
    `${where} is ${first.nGenes} genes by ${first.nCells} cells, but there are ` +
      `${nGenes} features and ${nCells} barcodes beside it.`,
  );
}

async function readHeader(file: File): Promise<Header> {
  let text = "";
  for await (const piece of inflated(file)) {
    text += new TextDecoder("latin1").decode(piece);
    if (/^(%[^\n]*\n|[^\S\n]*\n)*[^%\n][^\n]*\n/.test(text) || text.length > HEADER_BYTES) break;
  }
  const words = text.split("\n", 1)[0].toLowerCase().trim().split(/\s+/);
  if (words.length !== 5 || words[0] !== "%%matrixmarket" || words[1] !== "matrix") {
    throw new InputError(`${file.name} is not a MatrixMarket file; its first line says otherwise.`);
  }
  const known = ["integer", "real", "pattern"].includes(words[3]);
  if (words[2] !== "coordinate" || !known || words[4] !== "general") {
    throw new InputError(
      `${file.name} is '${words.slice(2).join(" ")}', not 'coordinate integer general'.`,
    );
  }
  const found = /^(?:%[^\n]*\n|[^\S\n]*\n)*[^\S\n]*(\d+)[^\S\n]+(\d+)[^\S\n]+(\d+)[^\S\n]*\n/.exec(text);
  if (!found) throw damaged(file.name, "its shape is not three numbers");
  const [nGenes, nCells, nEntries] = found.slice(1).map(Number);
  const withValues = words[3] !== "pattern";
  return { nGenes, nCells, nEntries, withValues, cellsFirst: false, length: found[0].length };
}

/** Entries of the file, checked, in the order in which they are stored. */
async function* checkedEntries(where: string, file: File, header: Header): AsyncGenerator<Entries> {
  let skip = header.length;
  let seen = 0;
  for await (const piece of wholeLines(inflated(file))) {
    const from = Math.min(skip, piece.length);
    skip -= from;
    const text = piece.subarray(from);
    const { n, rows, columns, values, fault } = parseTriplets(text, header.withValues);
    if (fault >= 0) {
      const line = new TextDecoder("latin1").decode(text.subarray(fault, fault + 60));
      const order = header.cellsFirst ? "cell gene" : "gene cell";
      throw damaged(where, `entry ${seen + n + 1} is not '${order} count': '${line.split("\n")[0]}'`);
    }
    const [genes, cells] = header.cellsFirst ? [columns, rows] : [rows, columns];
    for (let k = 0; k < n; k++) {
      const gene = --genes[k];
      const cell = --cells[k];
      if (gene < 0 || gene >= header.nGenes || cell < 0 || cell >= header.nCells) {
        throw damaged(where, `entry ${seen + k + 1} lies outside the matrix`);
      }
    }
    seen += n;
    yield { n, cells, genes, values };
  }
  if (seen !== header.nEntries) {
    throw damaged(where, `it has ${seen} entries and says ${header.nEntries}`);
  }
}

/** Whether the first entries come by cell, as far as they can be read. */
async function beginsSorted(entries: AsyncIterable<Entries>): Promise<boolean> {
  try {
    let last = 0;
    let seen = 0;
    for await (const { n, cells } of entries) {
      for (let k = 0; k < n; k++) {
        if (cells[k] < last) return false;
        last = cells[k];
      }
      seen += n;
      if (seen >= ENTRIES_TO_TELL) return true;
    }
  } catch {
    // whatever is wrong is said when the counts are read
  }
  return true;
}

class MtxMatrix implements Matrix {
  readonly nCells: number;
  readonly nGenes: number;

  constructor(
    readonly where: string,
    private readonly file: File,
    private readonly header: Header,
  ) {
    this.nCells = header.nCells;
    this.nGenes = header.nGenes;
  }

  async *blocks(blockCells: number): AsyncGenerator<CountBlock> {
    const build = new Builder(this.where, this.header, blockCells);
    for await (const entries of checkedEntries(this.where, this.file, this.header)) {
      yield* build.add(entries);
    }
    yield* build.finish();
  }

  async sample(): Promise<Sample> {
    for await (const block of this.blocks(SAMPLE_CELLS)) return sampleOf([block]);
    return { values: new Float32Array(0), cells: null, genes: null };
  }
}

/** Gathers entries, sorted by cell, into blocks. */
class Builder {
  private genes = new Int32Array(1 << 20);
  private data = new Float32Array(1 << 20);
  private ends: number[] = [0];
  private start = 0;
  private n = 0;

  constructor(
    private readonly where: string,
    private readonly header: Header,
    private readonly blockCells: number,
  ) {}

  *add({ n, cells, genes, values }: Entries): Generator<CountBlock> {
    for (let k = 0; k < n; k++) {
      const cell = cells[k];
      const current = this.start + this.ends.length - 1;
      if (cell < current) {
        throw new InputError(
          `${this.where} is not sorted by cell, so it cannot be read in blocks; sort it by its ` +
            `${this.header.cellsFirst ? "first" : "second"} column, or save it as h5ad.`,
        );
      }
      if (cell > current) yield* this.advance(cell);
      if (this.n === this.genes.length) this.grow();
      this.genes[this.n] = genes[k];
      this.data[this.n++] = values[k];
    }
  }

  *finish(): Generator<CountBlock> {
    yield* this.advance(this.header.nCells);
    if (this.ends.length > 1) yield this.flush();
  }

  /** Close the cells before `cell`. */
  private *advance(cell: number): Generator<CountBlock> {
    while (this.start + this.ends.length - 1 < cell) {
      this.ends.push(this.n);
      if (this.ends.length > this.blockCells || this.n > MAX_NONZEROS) yield this.flush();
    }
  }

  private flush(): CountBlock {
    const block = {
      start: this.start,
      nCells: this.ends.length - 1,
      indptr: Float64Array.from(this.ends),
      indices: this.genes.slice(0, this.n),
      data: this.data.slice(0, this.n),
    };
    this.start += block.nCells;
    this.ends = [0];
    this.n = 0;
    return block;
  }

  private grow(): void {
    const [genes, data] = [this.genes, this.data];
    this.genes = new Int32Array(2 * genes.length);
    this.data = new Float32Array(2 * data.length);
    this.genes.set(genes);
    this.data.set(data);
  }
}
