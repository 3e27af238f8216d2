/** The results of a query, gathered block by block. */

import decisions from "../decisions";
import type { MappedBlock, ResultColumn, ResultMatrix } from "./columns";

export class Results {
  readonly names: string[] = [];
  readonly columns = new Map<string, ResultColumn>();
  readonly matrices = new Map<string, ResultMatrix>();
  /** Cells mapped so far. */
  done = 0;

  constructor(readonly nCells: number) {}

  /** Those of cells that are all mapped. */
  static of(nCells: number, columns: readonly ResultColumn[], matrices: readonly ResultMatrix[]): Results {
    const results = new Results(nCells);
    results.settle(columns);
    for (const matrix of matrices) results.matrices.set(matrix.name, matrix);
    results.done = nCells;
    return results;
  }

  add(block: MappedBlock, names: readonly string[]): void {
    for (const name of names) this.names.push(name);
    for (const column of block.columns) this.addColumn(column, block.start);
    for (const matrix of block.matrices) {
      const whole = this.matrices.get(matrix.name) ?? {
        ...matrix,
        values: new Float32Array(this.nCells * matrix.width),
      };
      whole.values.set(matrix.values, block.start * matrix.width);
      this.matrices.set(matrix.name, whole);
    }
    this.done = block.start + block.nCells;
  }

  /** Put columns of all cells in the place of those that blocks brought. */
  settle(columns: readonly ResultColumn[]): void {
    for (const column of columns) this.columns.set(column.name, column);
  }

  private addColumn(part: ResultColumn, start: number): void {
    const whole = this.columns.get(part.name) ?? emptyColumn(part, this.nCells);
    whole.values.set(part.values, start);
    // names of label sets are added as they are met
    if (whole.kind === "category" && part.kind === "category") whole.categories = part.categories;
    this.columns.set(part.name, whole);
  }

  category(name: string): { values: Int32Array; categories: string[] } | null {
    const column = this.columns.get(name);
    return column?.kind === "category" ? column : null;
  }

  float(name: string): Float32Array | null {
    const column = this.columns.get(name);
    return column?.kind === "float" ? column.values : null;
  }

  flag(name: string): Uint8Array | null {
    const column = this.columns.get(name);
    return column?.kind === "bool" ? column.values : null;
  }

  /** The column that says what cells are called: their label where there is no call. */
  get call(): string {
    const { call, label } = decisions.columns;
    return this.columns.has(call) ? call : label;
  }

  /** x and y of a cell, cell after cell. */
  get places(): Float32Array {
    return this.matrices.get(decisions.columns.umap)?.values ?? new Float32Array(0);
  }
}

function emptyColumn(like: ResultColumn, n: number): ResultColumn {
  if (like.kind === "category") return { ...like, values: new Int32Array(n) };
  if (like.kind === "float") return { ...like, values: new Float32Array(n) };
  return { ...like, values: new Uint8Array(n) };
}
