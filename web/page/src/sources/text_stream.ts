/** Text files, plain or gzipped, in pieces of bytes. */

import { Gunzip } from "fflate";

import { unreadable } from "../errors";

/** Bytes of a file, through gzip when it begins as gzip does. */
export async function* inflated(file: File): AsyncGenerator<Uint8Array> {
  const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const packed = head[0] === 0x1f && head[1] === 0x8b;
  const reader = file.stream().getReader();
  const pieces: Uint8Array[] = [];
  const gunzip = new Gunzip((piece) => pieces.push(piece));
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (!packed) {
        if (done) return;
        yield value;
        continue;
      }
      gunzip.push(value ?? new Uint8Array(0), done);
      yield* pieces.splice(0);
      if (done) return;
    }
  } catch (error) {
    throw unreadable(file.name, error);
  } finally {
    await reader.cancel();
  }
}

/** Pieces that end at the end of a line. */
export async function* wholeLines(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let rest = new Uint8Array(0);
  for await (const piece of pieces) {
    const end = piece.lastIndexOf(10) + 1;
    if (end) {
      yield concatenated(rest, piece.subarray(0, end));
      rest = piece.slice(end);
    } else {
      rest = concatenated(rest, piece);
    }
  }
  if (rest.length) yield concatenated(rest, Uint8Array.of(10));
}

/** Lines of a file small enough to be held. */
export async function readLines(file: File): Promise<string[]> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of inflated(file)) text += decoder.decode(piece, { stream: true });
  return (text + decoder.decode()).split(/\r?\n/).filter((line) => line.trim() !== "");
}

function concatenated(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
