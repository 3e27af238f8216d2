/** The beginning of an h5ad: a file of HDF5 with an empty table of booleans for each column of flags.
 *
 * h5wasm, which writes the rest, makes no datasets of booleans. What stands here is what
 * h5py.File(..., libver=("v108", "v108")).create_dataset("obs/...", (0,), bool, maxshape=(None,),
 * chunks=(4096,)) writes: HDF5 File Format Specification 3.0, sections II.A, IV.A.1.b, IV.A.2.c, .g
 * and .k.
 */

import { lookup3 } from "./lookup3";

const SUPERBLOCK = 48;
const NOWHERE = 2n ** 64n - 1n;
/** Of a dataset: no cells of at most any number, type `FALSE = 0, TRUE = 1`, chunks of 4,096. */
const FLAGS =
  "T0hEUgIBWgABFAAAAgEBAQAAAAAAAAAA//////////8DIQABOAIAAAEAAAAQCAAAAQAAAAAACABGQUxTRQBUUlVFAAABBQIAAQML" +
  "CBMAAAMCAv//////////ABAAAAEAAAA=";

/** A file with empty flags in `obs`, by the names of their columns. */
export function beginning(columns: readonly string[]): Uint8Array<ArrayBuffer> {
  const flags = checked(fromBase64(FLAGS));
  // headers do not grow with where they lead, so they are made to be measured first
  const ofObs = (start: number) => group(columns.map((name, i) => [name, start + i * flags.length]));
  const ofRoot = (start: number) => group([["obs", start]]);
  const atObs = SUPERBLOCK + ofRoot(0).length;
  const atFlags = atObs + ofObs(0).length;
  const end = atFlags + columns.length * flags.length;
  return joined([superblock(end), ofRoot(atObs), ofObs(atFlags), ...columns.map(() => flags)]);
}

/** Version 2: addresses of eight bytes; base, no extension, end, the root group right behind. */
function superblock(end: number): Uint8Array {
  const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
  const addresses = [0n, NOWHERE, BigInt(end), BigInt(SUPERBLOCK)].map((one) => littleEndian(one, 8));
  return checked(joined([Uint8Array.from([...signature, 2, 8, 8, 0]), ...addresses]));
}

/** Header of a group: that its links stand here, nothing else of it, and the links. */
function group(links: readonly (readonly [string, number])[]): Uint8Array {
  const where = message(2, joined([Uint8Array.of(0, 0), littleEndian(NOWHERE, 8), littleEndian(NOWHERE, 8)]));
  const messages = joined([where, message(10, Uint8Array.of(0, 0)), ...links.map(([name, at]) => link(name, at))]);
  // version 2, the size in four bytes
  const head = [0x4f, 0x48, 0x44, 0x52, 2, 2];
  return checked(joined([Uint8Array.from(head), littleEndian(BigInt(messages.length), 4), messages]));
}

/** A hard link whose name is UTF-8, of a length that is stated in two bytes. */
function link(name: string, address: number): Uint8Array {
  const text = new TextEncoder().encode(name);
  const length = littleEndian(BigInt(text.length), 2);
  return message(6, joined([Uint8Array.of(1, 0x11, 1), length, text, littleEndian(BigInt(address), 8)]));
}

function message(kind: number, body: Uint8Array): Uint8Array {
  return joined([Uint8Array.of(kind), littleEndian(BigInt(body.length), 2), Uint8Array.of(0), body]);
}

function checked(bytes: Uint8Array): Uint8Array {
  return joined([bytes, littleEndian(BigInt(lookup3(bytes)), 4)]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** A number in so many bytes, the lowest first. */
export function littleEndian(value: bigint, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}
