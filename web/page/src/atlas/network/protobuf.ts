/** The wire format of protobuf, as far as an ONNX graph needs it.
 *
 * Same as `fields` in `runtime/atlas/onnx_scan.py` of the Python package.
 */

/** Bytes where a field has a length or a fixed width, else a whole number. */
export type Value = number | Uint8Array;

const LONGEST = 10;

/** Values of a message by the numbers of their fields; RangeError where it is none. */
export function fieldsOf(message: Uint8Array): Map<number, Value[]> {
  const found = new Map<number, Value[]>();
  for (let at = 0; at < message.length; ) {
    const [tag, start] = varint(message, at);
    if (tag < 0 || tag >= 2 ** 32) throw new RangeError("tag too large");
    const [value, end] = valueAt(message, start, tag & 7);
    const number = tag >>> 3;
    const values = found.get(number);
    if (values) values.push(value);
    else found.set(number, [value]);
    at = end;
  }
  return found;
}

function valueAt(message: Uint8Array, at: number, wire: number): [Value, number] {
  if (wire === 0) return varint(message, at);
  if (wire !== 1 && wire !== 2 && wire !== 5) throw new RangeError("unknown wire type");
  const [size, start] = wire === 2 ? varint(message, at) : [wire === 1 ? 8 : 4, at];
  if (size < 0 || start + size > message.length) throw new RangeError("field runs past the end");
  return [message.subarray(start, start + size), start + size];
}

/** A whole number, negative where its 64th bit is set, and where the next byte is. */
export function varint(message: Uint8Array, start: number): [number, number] {
  if (message[start] < 0x80) return [message[start], start + 1];
  let value = 0n;
  for (let at = start; at < start + LONGEST && at < message.length; at++) {
    value |= BigInt(message[at] & 0x7f) << BigInt(7 * (at - start));
    if (message[at] < 0x80) return [Number(BigInt.asIntN(64, value)), at + 1];
  }
  throw new RangeError("varint without an end");
}
