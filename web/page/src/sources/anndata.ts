/** The AnnData layout in HDF5 (`.h5ad`). */

import type { Entity, File, Group } from "h5wasm";

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
import { findAnndata } from "./nested";
import { cellFrame, type Contents, type Frame, type Matrix, MAX_GENES, type Place } from "./source";

export function openAnndata(file: File, above: string): Contents {
  const [root, title, notes] = findAnndata(file, above);
  for (const name of ["obs", "var"]) {
    if (!root.keys().includes(name)) {
      throw new InputError(`${title} has no '${name}'; it is not an AnnData file`);
    }
  }
  const cells = cellFrame(readFrame(root.get("obs"), `${title}, obs`, root));
  const genes = () => readFrame(root.get("var"), `${title}, var`, root);
  const places = new Map<string, () => Place>();
  const add = (key: string, name: string, entity: Entity | null, frame: () => Frame) => {
    places.set(key, () => {
      const matrix = readMatrix(entity, `${title}, ${name}`);
      return fittedPlace(name, matrix, cells, frame());
    });
  };
  for (const [key, name, entity] of matrixElements(root)) {
    add(key, name, entity, name === "raw/X" ? () => rawFrame(root, title) : genes);
  }
  if (!places.size) {
    throw new InputError(`${title} has no X, no layers and no raw; there are no counts in it.`);
  }
  return { title, places, cells, notes, close: () => file.close() };
}

function* matrixElements(root: Group): Generator<[string, string, Entity | null]> {
  const keys = root.keys();
  const taken = new Set<string>();
  if (keys.includes("X")) {
    const x = root.get("X");
    const isNull = (isGroup(x) || isDataset(x)) && textAttribute(x, "encoding-type") === "null";
    if (!isNull) {
      taken.add("X");
      yield ["X", "X", x];
    }
  }
  const raw = keys.includes("raw") ? root.get("raw") : null;
  if (isGroup(raw) && raw.keys().includes("X") && raw.keys().includes("var")) {
    taken.add("raw");
    yield ["raw", "raw/X", raw.get("X")];
  } else if (keys.includes("raw.X") && keys.includes("raw.var")) {
    taken.add("raw");
    yield ["raw", "raw/X", root.get("raw.X")];
  }
  const layers = keys.includes("layers") ? root.get("layers") : null;
  if (isGroup(layers)) {
    for (const name of layers.keys()) {
      const place = `layers['${name}']`;
      yield [taken.has(name) ? place : name, place, layers.get(name)];
    }
  }
}

function rawFrame(root: Group, title: string): Frame {
  const raw = root.keys().includes("raw") ? root.get("raw") : null;
  const table = isGroup(raw) ? raw.get("var") : root.get("raw.var");
  return readFrame(table, `${title}, raw/var`, root);
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
