/** Matrices of text and the names beside them, as the programs that count reads call them. */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";

const { layouts, foreign, foreign_folders, unasked_matrices } = decisions.files;
const PATTERNS = layouts.map(({ matrix }) => new RegExp(`^(?:${matrix})$`));
const UNASKED = new RegExp(`^(?:${unasked_matrices.value})$`);

export interface Triple {
  matrix: File;
  features: File;
  /** Symbols of the genes, where they lie apart from their ids. */
  names: File | null;
  barcodes: File;
  /** Cells by genes, as this program writes. */
  cellsFirst: boolean;
}

/** The parts of a matrix among the files brought. */
export function findTriple(brought: readonly File[]): Triple {
  const files = asked(brought);
  for (const layout of layouts) {
    const pattern = new RegExp(`^(?:${layout.matrix})(?:\\.gz)?$`);
    for (const matrix of files) {
      const found = pattern.exec(matrix.name);
      if (!found) continue;
      const first = (names: readonly string[]) => firstOf(files, names, found[1] ?? "");
      const [features, barcodes] = [first(layout.features), first(layout.barcodes)];
      if (!features || !barcodes || matrices(files) > 1) continue;
      const names = first(layout.names);
      return { matrix, features, names, barcodes, cellsFirst: layout.cells_first };
    }
  }
  for (const { marker, what } of foreign_folders) {
    const found = files.some(({ name }) => new RegExp(`^(?:${marker})$`).test(name));
    if (found) throw new InputError(say(foreign, { folder: "The folder", what }));
  }
  return byEnding(files);
}

/** All but matrices that are taken only where they are alone. */
function asked(files: readonly File[]): readonly File[] {
  const some = files.filter(({ name }) => !UNASKED.test(name));
  return matrices(some) ? some : files;
}

export function isMatrix(name: string): boolean {
  return /\.mtx(\.gz)?$/i.test(name);
}

/** Whether a file is a part of any program's matrix, by its name. */
export function isPart(name: string): boolean {
  return layouts.some((layout) => {
    const bare = name.replace(/\.gz$/, "");
    const others = [...layout.features, ...layout.names, ...layout.barcodes];
    return new RegExp(`^(?:${layout.matrix})$`).test(bare) || others.some((one) => bare.endsWith(one));
  });
}

function firstOf(files: readonly File[], names: readonly string[], prefix: string): File | null {
  for (const name of names) {
    for (const packed of ["", ".gz"]) {
      const file = files.find((one) => one.name === `${prefix}${name}${packed}`);
      if (file) return file;
    }
  }
  return null;
}

/** How many matrices there are that a program or a person may mean; spliced counts alone are none. */
function matrices(files: readonly File[]): number {
  const names = files.map(({ name }) => name.replace(/\.gz$/, ""));
  return new Set(names.filter((name) => PATTERNS.some((pattern) => pattern.test(name)))).size;
}

/** Matrix, features and barcodes, whatever stands before their names. */
function byEnding(files: readonly File[]): Triple {
  const { features, barcodes } = layouts[layouts.length - 1];
  const find = (endings: readonly string[], wanted: string): File => {
    const found = firstEnding(files, endings);
    if (found.length === 1) return found[0];
    throw new InputError(
      found.length
        ? `There are several files like ${wanted}; choose those of one sample.`
        : "A 10x matrix consists of three files; choose matrix.mtx.gz, features.tsv.gz and " +
          `barcodes.tsv.gz together. ${wanted} is missing.`,
    );
  };
  return {
    matrix: find([".mtx"], "matrix.mtx.gz"),
    features: find(features, "features.tsv.gz"),
    names: null,
    barcodes: find(barcodes, "barcodes.tsv.gz"),
    cellsFirst: false,
  };
}

/** The files whose names end as the first of these that any does, one of those packed and unpacked. */
function firstEnding(files: readonly File[], endings: readonly string[]): File[] {
  const packed = new Map(files.map((file) => [file.name.replace(/\.gz$/, "").toLowerCase(), file]));
  for (const ending of endings) {
    const found = [...packed].filter(([name]) => name.endsWith(ending)).map(([, file]) => file);
    if (found.length) return found;
  }
  return [];
}
