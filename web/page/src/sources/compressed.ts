/** What matrices stored cell by cell (CSR) and gene by gene (CSC) have in common. */

import type { Dataset, Group } from "h5wasm";

import { damaged } from "../errors";
import { checkDataset, isDataset, readIntegers } from "./hdf5_values";
import type { CountBlock, Matrix, Sample } from "./source";

export abstract class Compressed implements Matrix {
  constructor(
    readonly where: string,
    readonly nCells: number,
    readonly nGenes: number,
    protected readonly indptr: Dataset,
    protected readonly indices: Dataset,
    protected readonly data: Dataset,
  ) {}

  /** Number of stored values. */
  protected get stored(): number {
    return this.data.shape?.[0] ?? 0;
  }

  abstract blocks(blockCells: number): Iterable<CountBlock>;
  abstract sample(): Sample;
}

/** `indptr`, `indices` and `data`, checked to fit each other. */
export function sparseParts(group: Group, where: string, nRows: number) {
  const [indptr, indices, data] = ["indptr", "indices", "data"].map((name) => {
    const entity = group.keys().includes(name) ? group.get(name) : null;
    if (!isDataset(entity)) throw damaged(where, `its array '${name}' is not there`);
    checkDataset(entity, `${where}, '${name}'`);
    if (entity.shape?.length !== 1) throw damaged(where, `'${name}' is not a list`);
    return entity;
  });
  const [pointers, positions, stored] = [indptr, indices, data].map((part) => part.shape![0]);
  if (pointers !== nRows + 1) {
    throw damaged(where, `'indptr' has ${pointers} entries where ${nRows + 1} are expected`);
  }
  if (positions !== stored) {
    throw damaged(where, `'indices' has ${positions} entries and 'data' has ${stored}`);
  }
  const first = readIntegers(indptr, 0, 1)[0];
  const last = readIntegers(indptr, nRows, nRows + 1)[0];
  if (first !== 0 || last !== stored) {
    throw damaged(
      where,
      `'indptr' runs from ${first} to ${last} where 0 to ${stored} is expected`,
    );
  }
  return [indptr, indices, data] as const;
}
