/** 10x Genomics triples: `matrix.mtx`, `features.tsv` or `genes.tsv`, `barcodes.tsv`. */

import { damaged, InputError } from "../errors";
import { type Contents, type CountBlock, type Matrix, MAX_NONZEROS, type Sample, sampleOf } from "./source";
import { barcodeFrame, tenxGeneColumns } from "./tenx";
import { inflated, readLines, wholeLines } from "./text_stream";
import { parseTriplets } from "./triplets";

const SAMPLE_CELLS = 256;
const HEADER_BYTES = 1 << 20;

interface Header {
  nGenes: number;
  nCells: number;
  nEntries: number;
  withValues: boolean;
  /** Bytes before the first entry. */
  length: number;
}

export async function openTenxMtx(files: readonly File[]): Promise<Contents> {
  const [matrixFile, featuresFile, barcodesFile] = findParts(files);
  const title = matrixFile.name;
  const header = await readHeader(matrixFile);
  const rows = (await readLines(featuresFile)).map((line) => line.split("\t"));
  const barcodes = (await readLines(barcodesFile)).map((line) => line.split("\t", 1)[0]);
  if (rows.length !== header.nGenes || barcodes.length !== header.nCells) {
    const turned = rows.length === header.nCells && barcodes.length === header.nGenes;
    throw new InputError(
      `${title} is ${header.nGenes} genes by ${header.nCells} cells, but there are ` +
        `${rows.length} features and ${barcodes.length} barcodes beside it.` +
        (turned ? " It seems to be cells by genes; save it as h5ad." : ""),
    );
  }
  const [columns, notes] = tenxGeneColumns(
    featuresFile.name,
    rows.map((row) => row[0]),
    rows.map((row) => (row.length > 1 ? row[1] : row[0])),
    rows.map((row) => row[2] ?? ""),
  );
  const matrix = new MtxMatrix(title, matrixFile, header);
  const cells = barcodeFrame(barcodesFile.name, barcodes.length, (start, stop) =>
    barcodes.slice(start, stop),
  );
  const place = { name: "matrix", matrix, genes: () => columns };
  return { title, places: new Map([["X", () => place]]), cells, notes, close: () => undefined };
}

/** Matrix, features and barcodes among the files brought. */
function findParts(files: readonly File[]): [File, File, File] {
  const find = (pattern: RegExp, wanted: string): File => {
    const found = files.filter((file) => pattern.test(file.name));
    if (found.length === 1) return found[0];
    throw new InputError(
      found.length
        ? `There are several files like ${wanted}; choose those of one sample.`
        : "A 10x matrix consists of three files; choose matrix.mtx.gz, features.tsv.gz and " +
          `barcodes.tsv.gz together. ${wanted} is missing.`,
    );
  };
  return [
    find(/\.mtx(\.gz)?$/i, "matrix.mtx.gz"),
    find(/(features|genes)\.tsv(\.gz)?$/i, "features.tsv.gz"),
    find(/barcodes\.tsv(\.gz)?$/i, "barcodes.tsv.gz"),
  ];
}

async function readHeader(file: File): Promise<Header> {
  let text = "";
  for await (const piece of inflated(file)) {
    text += new TextDecoder("latin1").decode(piece);
    if (/^(%.*\n|[^\S\n]*\n)*[^%\n].*\n/.test(text) || text.length > HEADER_BYTES) break;
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
  const found = /^(?:%.*\n|[^\S\n]*\n)*[^\S\n]*(\d+)[^\S\n]+(\d+)[^\S\n]+(\d+)[^\S\n]*\n/.exec(text);
  if (!found) throw damaged(file.name, "its shape is not three numbers");
  const [nGenes, nCells, nEntries] = found.slice(1).map(Number);
  return { nGenes, nCells, nEntries, withValues: words[3] !== "pattern", length: found[0].length };
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
    let skip = this.header.length;
    for await (const piece of wholeLines(inflated(this.file))) {
      const from = Math.min(skip, piece.length);
      skip -= from;
      yield* build.add(piece.subarray(from));
    }
    yield* build.finish();
  }

  async sample(): Promise<Sample> {
    for await (const block of this.blocks(SAMPLE_CELLS)) return sampleOf([block]);
    return { values: new Float32Array(0), cells: null };
  }
}

/** Gathers entries, sorted by cell, into blocks. */
class Builder {
  private genes = new Int32Array(1 << 20);
  private data = new Float32Array(1 << 20);
  private ends: number[] = [0];
  private start = 0;
  private n = 0;
  private seen = 0;

  constructor(
    private readonly where: string,
    private readonly header: Header,
    private readonly blockCells: number,
  ) {}

  *add(text: Uint8Array): Generator<CountBlock> {
    const { where, header } = this;
    const entries = parseTriplets(text, header.withValues);
    if (entries.fault >= 0) {
      const line = new TextDecoder("latin1").decode(
        text.subarray(entries.fault, entries.fault + 60),
      );
      throw damaged(
        where,
        `entry ${this.seen + entries.n + 1} is not 'gene cell count': '${line.split("\n")[0]}'`,
      );
    }
    for (let k = 0; k < entries.n; k++) {
      const gene = entries.rows[k] - 1;
      const cell = entries.columns[k] - 1;
      if (gene < 0 || gene >= header.nGenes || cell < 0 || cell >= header.nCells) {
        throw damaged(where, `entry ${this.seen + k + 1} lies outside the matrix`);
      }
      const current = this.start + this.ends.length - 1;
      if (cell < current) {
        throw new InputError(
          `${where} is not sorted by cell, so it cannot be read in blocks; sort it by its second ` +
            "column, or save it as h5ad.",
        );
      }
      if (cell > current) yield* this.advance(cell);
      if (this.n === this.genes.length) this.grow();
      this.genes[this.n] = gene;
      this.data[this.n++] = entries.values[k];
    }
    this.seen += entries.n;
  }

  *finish(): Generator<CountBlock> {
    if (this.seen !== this.header.nEntries) {
      throw damaged(this.where, `it has ${this.seen} entries and says ${this.header.nEntries}`);
    }
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
