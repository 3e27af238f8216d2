/** Plain `.npy` arrays of numbers (format 1.0, little endian, C order). */

import { AtlasError } from "../errors";

export type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

export interface NpyArray {
  /** As numpy names it: `float32`. */
  dtype: string;
  shape: number[];
  data: Numbers;
}

type Reader = (buffer: ArrayBuffer, n: number) => Numbers;

const READERS: Record<string, [string, number, Reader]> = {
  "<f4": ["float32", 4, (b, n) => new Float32Array(b, 0, n)],
  "<f8": ["float64", 8, (b, n) => new Float64Array(b, 0, n)],
  "|i1": ["int8", 1, (b, n) => new Int8Array(b, 0, n)],
  "|u1": ["uint8", 1, (b, n) => new Uint8Array(b, 0, n)],
  "|b1": ["bool", 1, (b, n) => new Uint8Array(b, 0, n)],
  "<i2": ["int16", 2, (b, n) => new Int16Array(b, 0, n)],
  "<u2": ["uint16", 2, (b, n) => new Uint16Array(b, 0, n)],
  "<i4": ["int32", 4, (b, n) => new Int32Array(b, 0, n)],
  "<u4": ["uint32", 4, (b, n) => new Uint32Array(b, 0, n)],
};

export function parseNpy(bytes: Uint8Array, where: string): NpyArray {
  const refuse = (why: string) => new AtlasError(`${where} is not a valid array: ${why}.`);
  if (bytes.length < 10 || String.fromCharCode(...bytes.subarray(1, 6)) !== "NUMPY") {
    throw refuse("it does not begin as one");
  }
  if (bytes[6] !== 1) throw refuse(`its format is ${bytes[6]}`);
  const start = 10 + (bytes[8] | (bytes[9] << 8));
  const header = new TextDecoder("latin1").decode(bytes.subarray(10, start));
  const dtype = /'descr': *'([^']+)'/.exec(header)?.[1] ?? "";
  const shapeText = /'shape': *\(([\d, ]*)\)/.exec(header)?.[1];
  if (shapeText === undefined || !(dtype in READERS) || !/'fortran_order': *False/.test(header)) {
    throw refuse("it is not a plain array of numbers");
  }
  const shape = shapeText
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  const n = shape.reduce((product, extent) => product * extent, 1);
  const [name, width, read] = READERS[dtype];
  if (bytes.length - start !== n * width) throw refuse("its size is not the one it states");
  // a copy, because typed arrays must begin at a multiple of their width
  return { dtype: name, shape, data: read(bytes.slice(start).buffer, n) };
}
