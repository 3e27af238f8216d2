/** Values of HDF5 datasets as the typed arrays that the rest of the app takes. */

import { Dataset, type Entity, Group } from "h5wasm";

import decisions, { say } from "../decisions";
import { damaged, firstLine, InputError, readable } from "../errors";

type Raw =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const INTEGER = 0;
const FLOAT = 1;
const ENUM = 8;
// what HDF5 says where values lie in files of their own
const EXTERNAL = "external raw data file";
// HDF5's registered numbers of the filters that this page can undo.
const KNOWN_FILTERS = new Set([1, 2, 3, 4, 5, 6]);

export function isDataset(entity: Entity | null): entity is Dataset {
  return entity instanceof Dataset;
}

export function isGroup(entity: Entity | null): entity is Group {
  return entity instanceof Group;
}

/** A text attribute, '' when it is not there. */
export function textAttribute(entity: Group | Dataset, name: string): string {
  const value = entity.attrs[name]?.value;
  return value === undefined || value === null ? "" : String(value);
}

/** An attribute of whole numbers, null when it is not there. */
export function integersAttribute(entity: Group | Dataset, name: string): number[] | null {
  const value = entity.attrs[name]?.value;
  if (value === undefined || value === null || typeof value !== "object") return null;
  return Array.from(value as ArrayLike<number | bigint>, Number);
}

/** Refuse numbers of 16 bits, of which the library says that it does not support them. */
function refuseHalves(dataset: Dataset, where: string): void {
  try {
    if (dataset.dtype !== "<e") return;
  } catch (error) {
    if (!firstLine(error).includes("Float16")) throw error;
  }
  throw new InputError(
    `${where} holds numbers of 16 bits (float16), which this page cannot read. Write the file again ` +
      "as float32, or map it with cellport on your computer.",
  );
}

/** Refuse datasets that lead to other files or need a filter that is not here. */
export function checkDataset(dataset: Dataset, where: string): void {
  readable(where, () => {
    refuseHalves(dataset, where);
    refuseElsewhere(dataset, where);
    if (!dataset.metadata.littleEndian && dataset.metadata.size > 1) {
      throw new InputError(`${where} is big-endian; write it again with a current anndata.`);
    }
    const unknown = dataset.filters.find((filter) => !KNOWN_FILTERS.has(filter.id));
    if (unknown) {
      throw new InputError(
        `${where} is compressed with ${unknown.name.split(";")[0] || `filter ${unknown.id}`}, which this page ` +
          'cannot undo. Write the file again with compression="gzip", or map it with cellport on ' +
          "your computer.",
      );
    }
  });
}

/** Refuse values in other files. Of external ones the library says so only when it reads them. */
function refuseElsewhere(dataset: Dataset, where: string): void {
  const { virtual_sources: virtual, chunks, total_size: n, shape } = dataset.metadata;
  let elsewhere = Boolean(virtual?.length);
  if (!elsewhere && !chunks && n && shape) {
    try {
      dataset.slice(shape.map(() => [0, 1]));
    } catch (error) {
      elsewhere = firstLine(error).includes(EXTERNAL);
      if (!elsewhere) throw error;
    }
  }
  if (elsewhere) throw new InputError(say(decisions.files.elsewhere, { where }));
}

/** Rows `start:stop` of the first axis, all of the others: as many values as were asked for. */
function rowsOf(dataset: Dataset, start: number, stop: number): ArrayLike<unknown> {
  const shape = dataset.shape ?? [];
  if (dataset.metadata.virtual_sources?.length) refuseElsewhere(dataset, dataset.path);
  if (!(stop <= shape[0])) {
    throw new InputError(`it has ${shape[0] ?? "no"} entries where ${stop} are needed`);
  }
  const rest = shape.slice(1);
  const found = dataset.slice([[start, stop], ...rest.map((): [] => [])]);
  const wanted = rest.reduce((n, extent) => n * extent, stop - start);
  const read = found as ArrayLike<unknown> | null;
  if (read?.length !== wanted) {
    throw new InputError(`${read?.length ?? "no"} values were read where ${wanted} are stored`);
  }
  return read;
}

export function isNumeric(dataset: Dataset): boolean {
  return [INTEGER, FLOAT, ENUM].includes(dataset.metadata.type);
}

/** Rows `start:stop` of the first axis, all of the others. */
function readRaw(dataset: Dataset, start: number, stop: number): Raw {
  if (!isNumeric(dataset)) throw new InputError(decisions.gate.not_numbers);
  const { size, type, signed } = dataset.metadata;
  if (stop <= start) return new Float32Array(0);
  if (type === FLOAT && size !== 4 && size !== 8) {
    throw new InputError(`its values are floats of ${8 * size} bits`);
  }
  const found = rowsOf(dataset, start, stop);
  if (type === ENUM) {
    const bytes = found as Uint8Array;
    return signed && size === 1 ? new Int8Array(bytes) : bytes;
  }
  return found as Raw;
}

/** Values as float32; what does not fit becomes infinite and fails the gate. */
export function readFloats(dataset: Dataset, start: number, stop: number): Float32Array {
  const raw = readRaw(dataset, start, stop);
  if (raw instanceof Float32Array) return raw;
  if (raw instanceof BigInt64Array) return Float32Array.from(wide(raw, true));
  if (raw instanceof BigUint64Array) return Float32Array.from(wide(raw, false));
  return new Float32Array(raw);
}

/** Positions as int32, checked to lie in `0:limit`. */
export function readPositions(
  dataset: Dataset,
  start: number,
  stop: number,
  limit: number,
): Int32Array {
  if (dataset.metadata.type !== INTEGER) throw new InputError("positions are not integers");
  const raw = readRaw(dataset, start, stop);
  let values: Exclude<Raw, BigInt64Array | BigUint64Array>;
  if (raw instanceof BigInt64Array || raw instanceof BigUint64Array) values = wide(raw, true);
  else values = raw;
  for (let i = 0; i < values.length; i++) {
    if (!(values[i] >= 0 && values[i] < limit)) {
      throw new InputError(`a position lies outside 0 to ${limit - 1}`);
    }
  }
  return values instanceof Int32Array ? values : Int32Array.from(values);
}

/** Whole numbers of any width as float64, exact up to 2^53. */
export function readIntegers(dataset: Dataset, start: number, stop: number): Float64Array {
  if (dataset.metadata.type !== INTEGER && dataset.metadata.type !== ENUM) {
    throw new InputError("it does not hold integers");
  }
  const raw = readRaw(dataset, start, stop);
  if (raw instanceof BigInt64Array) return wide(raw, true);
  if (raw instanceof BigUint64Array) return wide(raw, false);
  return Float64Array.from(raw);
}

/** 64-bit integers by their halves: many times faster than by BigInt. */
function wide(values: BigInt64Array | BigUint64Array, signed: boolean): Float64Array {
  const low = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
  const high = signed ? new Int32Array(low.buffer, low.byteOffset, low.length) : low;
  const out = new Float64Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = high[2 * i + 1] * 2 ** 32 + low[2 * i];
  return out;
}

/** `indptr[start:stop + 1]`, checked to rise within `0:stored`. */
export function readPointers(
  where: string,
  indptr: Dataset,
  start: number,
  stop: number,
  stored: number,
): Float64Array {
  const pointers = readable(`${where}, 'indptr'`, () => readIntegers(indptr, start, stop + 1));
  for (let i = 1; i < pointers.length; i++) {
    if (pointers[i] < pointers[i - 1]) throw damaged(where, "'indptr' falls");
  }
  if (pointers[0] < 0 || pointers[pointers.length - 1] > stored) {
    throw damaged(where, "'indptr' leaves the stored values");
  }
  return pointers;
}

/** Rows `start:stop` of any plain dataset as text, missing values as ''. */
export function readTexts(dataset: Dataset, start: number, stop: number): string[] {
  if (stop <= start) return [];
  if (isNumeric(dataset)) {
    if (dataset.metadata.type === FLOAT) {
      const values = readRaw(dataset, start, stop);
      return Array.from(values as Float64Array, (v) => (Number.isNaN(v) ? "" : String(v)));
    }
    return Array.from(readIntegers(dataset, start, stop), String);
  }
  // as Python does, whatever the file says of it: much UTF-8 is marked as ASCII
  if (dataset.metadata.cset === 0) dataset.metadata.cset = 1;
  const found = rowsOf(dataset, start, stop);
  if (!Array.isArray(found)) throw new InputError("its values are neither text nor numbers");
  return found.map(String);
}
