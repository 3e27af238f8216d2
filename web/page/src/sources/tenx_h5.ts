/** 10x Genomics `.h5`: one group `matrix` (Cell Ranger 3 and later) or one a genome (2). */

import type { File, Group } from "h5wasm";

import decisions, { say } from "../decisions";
import { damaged, InputError, readable } from "../errors";
import { sparseParts } from "./compressed";
import { CsrMatrix } from "./csr";
import { isDataset, isGroup, readIntegers, readTexts } from "./hdf5_values";
import { type Contents, MAX_GENES } from "./source";
import { barcodeFrame, tenxGeneColumns } from "./tenx";

const { files } = decisions;
const NEEDED = ["barcodes", "data", "indices", "indptr", "shape"];

export function tenxGroups(file: File): string[] {
  return file.keys().filter((name) => {
    const group = file.get(name);
    return isGroup(group) && NEEDED.every((part) => group.keys().includes(part));
  });
}

/** Open the matrix of a 10x file; it is stored cell by cell, as CSR of cells is. */
export function openTenxH5(
  file: File,
  title: string,
  groups: readonly string[],
  genome: string | null = null,
): Contents {
  const name = groupOf(title, groups, genome);
  const group = file.get(name) as Group;
  const where = `${title}, ${name}`;
  return readable(where, () => {
    const shape = readIntegers(dataset(group, "shape"), 0, 2);
    if (shape.length !== 2) throw damaged(where, "its shape is not two numbers");
    const [nGenes, nCells] = shape;
    if (nGenes > MAX_GENES) throw damaged(where, `it claims ${nGenes} genes`);
    const matrix = new CsrMatrix(where, nCells, nGenes, ...sparseParts(group, where, nCells));
    const features = group.keys().includes("features") ? (group.get("features") as Group) : null;
    let ids = features ? whole(features, "id") : whole(group, "genes");
    // HDF5Array of R writes one name of each gene
    const column = group.keys().includes("gene_names") ? "gene_names" : "genes";
    let names = features ? whole(features, "name") : whole(group, column);
    const types = features?.keys().includes("feature_type")
      ? whole(features, "feature_type")
      : null;
    for (const listed of [ids, names, types]) {
      if (listed && listed.length !== nGenes) {
        throw damaged(where, `it has ${nGenes} genes and ${listed.length} features`);
      }
    }
    const said: string[] = [];
    if (genome !== null && name !== genome) {
      const inside = ofGenome(where, features, ids.length, genome);
      ids = ids.map((id, i) => (inside[i] ? id : ""));
      names = names.map((one, i) => (inside[i] ? one : ""));
      const genes = inside.filter((one) => !one).length;
      if (genes) said.push(say(files.other_genomes, { genome, genes }));
    }
    const [columns, notes] = tenxGeneColumns(title, ids, names, types);
    const barcodes = dataset(group, "barcodes");
    const nNames = barcodes.shape?.[0] ?? 0;
    if (nNames !== nCells) {
      throw damaged(where, `it has ${nCells} cells and ${nNames} barcodes`);
    }
    const cells = barcodeFrame(`${title}, barcodes`, nCells, (start, stop) =>
      readTexts(barcodes, start, stop),
    );
    const place = { name, matrix, genes: () => columns };
    return {
      title,
      places: new Map([["X", () => place]]),
      cells,
      notes: [...notes, ...said],
      ofGenome: genome !== null,
      close: () => file.close(),
    };
  });
}

/** The group to read: of Cell Ranger 2 that of the genome. */
function groupOf(title: string, groups: readonly string[], genome: string | null): string {
  const genomes = groups.join(", ");
  if (genome !== null && groups.includes(genome)) return genome;
  if (genomes !== "matrix" && genome !== null) {
    throw new InputError(say(files.no_genome, { file: title, genome, genomes }));
  }
  if (groups.length > 1) {
    throw new InputError(say(files.several_genomes, { file: title, genomes, first: groups[0] }));
  }
  return groups[0];
}

/** Which features are of a genome. */
function ofGenome(where: string, features: Group | null, n: number, genome: string): boolean[] {
  if (!features?.keys().includes("genome")) {
    throw new InputError(say(files.no_genomes, { title: where, genome }));
  }
  const of = whole(features, "genome");
  if (of.length !== n) throw damaged(where, `it has ${n} features and ${of.length} genomes of them`);
  if (!of.includes(genome)) {
    const genomes = [...new Set(of)].filter(Boolean).sort().join(", ") || "none";
    throw new InputError(say(files.no_genome, { file: where, genome, genomes }));
  }
  return of.map((one) => one === genome);
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
