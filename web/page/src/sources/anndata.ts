/** The AnnData layout in HDF5 (`.h5ad`). */

import type { Entity, File } from "h5wasm";

import { damaged, InputError, readable } from "../errors";
import { sparseParts } from "./compressed";
import { CscMatrix } from "./csc";
import { CsrMatrix } from "./csr";
import { DenseMatrix } from "./dense";
import { geneColumns, readFrame } from "./frame";
import {
  checkDataset,
  integersAttribute,
  isDataset,
  isGroup,
  textAttribute,
} from "./hdf5_values";
import { type Contents, type Frame, type Matrix, MAX_GENES, type Place } from "./source";

export function openAnndata(file: File, title: string): Contents {
  for (const name of ["obs", "var"]) {
    if (!file.keys().includes(name)) {
      throw new InputError(`${title} has no '${name}'; it is not an AnnData file`);
    }
  }
  const cells = readFrame(file.get("obs"), `${title}, obs`, file);
  const genes = () => readFrame(file.get("var"), `${title}, var`, file);
  const places = new Map<string, () => Place>();
  const add = (key: string, name: string, entity: Entity | null, frame: () => Frame) => {
    places.set(key, () => {
      const matrix = readMatrix(entity, `${title}, ${name}`);
      return fittedPlace(name, matrix, cells, frame());
    });
  };
  for (const [key, name, entity] of matrixElements(file)) {
    add(key, name, entity, name === "raw/X" ? () => rawFrame(file, title) : genes);
  }
  if (!places.size) {
    throw new InputError(`${title} has no X, no layers and no raw; there are no counts in it.`);
  }
  return { title, places, cells, notes: [], close: () => file.close() };
}

function* matrixElements(file: File): Generator<[string, string, Entity | null]> {
  const keys = file.keys();
  if (keys.includes("X")) {
    const x = file.get("X");
    const isNull = (isGroup(x) || isDataset(x)) && textAttribute(x, "encoding-type") === "null";
    if (!isNull) yield ["X", "X", x];
  }
  const raw = keys.includes("raw") ? file.get("raw") : null;
  if (isGroup(raw) && raw.keys().includes("X") && raw.keys().includes("var")) {
    yield ["raw", "raw/X", raw.get("X")];
  } else if (keys.includes("raw.X") && keys.includes("raw.var")) {
    yield ["raw", "raw/X", file.get("raw.X")];
  }
  const layers = keys.includes("layers") ? file.get("layers") : null;
  if (isGroup(layers)) {
    for (const name of layers.keys()) yield [name, `layers['${name}']`, layers.get(name)];
  }
}

function rawFrame(file: File, title: string): Frame {
  const raw = file.keys().includes("raw") ? file.get("raw") : null;
  const table = isGroup(raw) ? raw.get("var") : file.get("raw.var");
  return readFrame(table, `${title}, raw/var`, file);
}

/** Open a stored matrix: CSR or CSC group, or dense array. */
function readMatrix(entity: Entity | null, where: string): Matrix {
  return readable(where, () => {
    if (isDataset(entity)) {
      checkDataset(entity, where);
      const axes = entity.shape?.length ?? 0;
      if (axes !== 2) throw damaged(where, `it has ${axes} axes instead of two`);
      return new DenseMatrix(where, entity);
    }
    if (!isGroup(entity)) throw damaged(where, "it is neither a matrix nor a group");
    const old = textAttribute(entity, "h5sparse_format");
    const encoding = textAttribute(entity, "encoding-type") || (old && `${old}_matrix`);
    if (encoding !== "csr_matrix" && encoding !== "csc_matrix") {
      throw new InputError(
        `the encoding '${encoding}' is not one of csr_matrix, csc_matrix, array`,
      );
    }
    const shape =
      integersAttribute(entity, "shape") ?? integersAttribute(entity, "h5sparse_shape");
    if (shape?.length !== 2) throw damaged(where, "its shape is not stored");
    const [nCells, nGenes] = shape;
    const rows = encoding === "csc_matrix" ? nGenes : nCells;
    const parts = sparseParts(entity, where, rows);
    return encoding === "csc_matrix"
      ? new CscMatrix(where, nCells, nGenes, ...parts)
      : new CsrMatrix(where, nCells, nGenes, ...parts);
  });
}

function fittedPlace(name: string, matrix: Matrix, cells: Frame, genes: Frame): Place {
  if (genes.length > MAX_GENES) {
    throw damaged(genes.where, `it claims ${genes.length} genes; at most ${MAX_GENES} are believed`);
  }
  if (matrix.nCells !== cells.length) {
    throw damaged(matrix.where, `it has ${matrix.nCells} cells and obs has ${cells.length}`);
  }
  if (matrix.nGenes !== genes.length) {
    throw damaged(
      matrix.where,
      `it has ${matrix.nGenes} genes and ${genes.where} has ${genes.length}`,
    );
  }
  return { name, matrix, genes: () => geneColumns(genes) };
}
