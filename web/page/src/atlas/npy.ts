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
  shape: number[];
  data: Numbers;
}

type Reader = (buffer: ArrayBuffer, n: number) => Numbers;

const READERS: Record<string, [number, Reader]> = {
  "<f4": [4, (b, n) => new Float32Array(b, 0, n)],
  "<f8": [8, (b, n) => new Float64Array(b, 0, n)],
  "|i1": [1, (b, n) => new Int8Array(b, 0, n)],
  "|u1": [1, (b, n) => new Uint8Array(b, 0, n)],
  "|b1": [1, (b, n) => new Uint8Array(b, 0, n)],
  "<i2": [2, (b, n) => new Int16Array(b, 0, n)],
  "<u2": [2, (b, n) => new Uint16Array(b, 0, n)],
  "<i4": [4, (b, n) => new Int32Array(b, 0, n)],
  "<u4": [4, (b, n) => new Uint32Array(b, 0, n)],
  "<i8": [8, narrowed],
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
  const [width, read] = READERS[dtype];
  if (bytes.length - start !== n * width) throw refuse("its size is not the one it states");
  // a copy, because typed arrays must begin at a multiple of their width
  return { shape, data: read(bytes.slice(start).buffer, n) };
}

function narrowed(buffer: ArrayBuffer, n: number): Int32Array {
  const words = new Int32Array(buffer);
  const low = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    low[i] = words[2 * i];
    if (words[2 * i + 1] !== low[i] >> 31) throw new AtlasError("An integer is too large.");
  }
  return low;
}
