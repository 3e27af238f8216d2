/** Lines of 'row column value' to numbers. */

export interface Triplets {
  n: number;
  rows: Int32Array;
  columns: Int32Array;
  values: Float32Array;
  /** Where the line begins that is no entry, -1 when all are. */
  fault: number;
}

const NEWLINE = 10;
const RETURN = 13;

/** Parse whole lines; blank ones are skipped. */
export function parseTriplets(text: Uint8Array, withValues: boolean): Triplets {
  let lines = 0;
  for (let i = 0; i < text.length; i++) if (text[i] === NEWLINE) lines++;
  const out: Triplets = {
    n: 0,
    rows: new Int32Array(lines),
    columns: new Int32Array(lines),
    values: new Float32Array(lines),
    fault: -1,
  };
  const cursor = { at: 0, ok: true };
  while (cursor.at < text.length) {
    const begin = cursor.at;
    skipBlanks(text, cursor);
    if (text[cursor.at] === NEWLINE) {
      cursor.at++;
      continue;
    }
    const row = integer(text, cursor);
    skipBlanks(text, cursor);
    const column = integer(text, cursor);
    skipBlanks(text, cursor);
    const value = withValues ? number(text, cursor) : 1;
    skipBlanks(text, cursor);
    if (!cursor.ok || text[cursor.at] !== NEWLINE) {
      out.fault = begin;
      return out;
    }
    cursor.at++;
    out.rows[out.n] = row;
    out.columns[out.n] = column;
    out.values[out.n++] = value;
  }
  return out;
}

interface Cursor {
  at: number;
  ok: boolean;
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === RETURN;
}

function skipBlanks(text: Uint8Array, cursor: Cursor): void {
  while (isBlank(text[cursor.at])) cursor.at++;
}

function integer(text: Uint8Array, cursor: Cursor): number {
  let value = 0;
  const begin = cursor.at;
  for (;;) {
    const digit = text[cursor.at] - 48;
    if (!(digit >= 0 && digit <= 9)) break;
    value = value * 10 + digit;
    cursor.at++;
  }
  if (cursor.at === begin || value > 0x7fffffff) cursor.ok = false;
  return value;
}

function number(text: Uint8Array, cursor: Cursor): number {
  const begin = cursor.at;
  const value = integer(text, cursor);
  const next = text[cursor.at];
  if (cursor.ok && (next === NEWLINE || isBlank(next))) return value;
  // a fraction, an exponent, a sign or a very large count
  cursor.ok = true;
  cursor.at = begin;
  while (cursor.at < text.length && text[cursor.at] !== NEWLINE && !isBlank(text[cursor.at])) {
    cursor.at++;
  }
  const word = String.fromCharCode(...text.subarray(begin, Math.min(cursor.at, begin + 64)));
  if (/^[+-]?nan$/i.test(word)) return NaN;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) cursor.ok = false;
  return Number(word);
}
