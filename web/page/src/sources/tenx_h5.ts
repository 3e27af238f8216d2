/** 10x Genomics `.h5`: one group `matrix` (Cell Ranger 3 and later) or one a genome (2). */

import type { File, Group } from "h5wasm";

import decisions, { say } from "../decisions";
import { damaged, InputError, readable } from "../errors";
import { sparseParts } from "./compressed";
import { CsrMatrix } from "./csr";
import { isDataset, isGroup, readIntegers, readTexts } from "./hdf5_values";
import { type Contents, MAX_GENES } from "./source";
import { barcodeFrame, tenxGeneColumns } from "./tenx";

const NEEDED = ["barcodes", "data", "indices", "indptr", "shape"];

export function tenxGroups(file: File): string[] {
  return file.keys().filter((name) => {
    const group = file.get(name);
    return isGroup(group) && NEEDED.every((part) => group.keys().includes(part));
  });
}

/** Open the matrix of a 10x file; it is stored cell by cell, as CSR of cells is. */
export function openTenxH5(file: File, title: string, groups: readonly string[]): Contents {
  if (groups.length > 1) {
    const genomes = groups.join(", ");
    throw new InputError(say(decisions.files.several_genomes, { file: title, genomes }));
  }
  const name = groups[0];
  const group = file.get(name) as Group;
  const where = `${title}, ${name}`;
  return readable(where, () => {
    const shape = readIntegers(dataset(group, "shape"), 0, 2);
    if (shape.length !== 2) throw damaged(where, "its shape is not two numbers");
    const [nGenes, nCells] = shape;
    if (nGenes > MAX_GENES) throw damaged(where, `it claims ${nGenes} genes`);
    const matrix = new CsrMatrix(where, nCells, nGenes, ...sparseParts(group, where, nCells));
    const features = group.keys().includes("features") ? (group.get("features") as Group) : null;
    const ids = features ? whole(features, "id") : whole(group, "genes");
    const names = features ? whole(features, "name") : whole(group, "gene_names");
    const types = features?.keys().includes("feature_type")
      ? whole(features, "feature_type")
      : null;
    const [columns, notes] = tenxGeneColumns(title, ids, names, types);
    const barcodes = dataset(group, "barcodes");
    const nNames = barcodes.shape?.[0] ?? 0;
    if (nNames !== nCells) {
      throw damaged(where, `it has ${nCells} cells and ${nNames} barcodes`);
    }
    if (ids.length !== nGenes || names.length !== nGenes) {
      throw damaged(where, `it has ${nGenes} genes and ${ids.length} features`);
    }
    const cells = barcodeFrame(`${title}, barcodes`, nCells, (start, stop) =>
      readTexts(barcodes, start, stop),
    );
    const place = { name, matrix, genes: () => columns };
    return { title, places: new Map([["X", () => place]]), cells, notes, close: () => file.close() };
  });
}

function dataset(group: Group, name: string) {
  const entity = group.get(name);
  if (!isDataset(entity)) throw new InputError(`its '${name}' is not there`);
  return entity;
}

function whole(group: Group, name: string): string[] {
  const entity = dataset(group, name);
  return readTexts(entity, 0, entity.shape?.[0] ?? 0);
}
