import decisions, { say } from "./decisions";

const { files } = decisions;
// a line of the stack that HDF5 prints: number, place in its source, function, and what is wrong
const HDF5_STACK = /^ *#\d+: .* in \w+\(\): (.*)$/gm;

/** Something the person who brought the file can act on; its message is a sentence. */
export class InputError extends Error {
  override name = "InputError";
}

/** The atlas itself is damaged or does not fit this page. */
export class AtlasError extends Error {
  override name = "AtlasError";
}

/** One sentence for any failure: never a stack. */
export function sentence(error: unknown): string {
  if (error instanceof InputError || error instanceof AtlasError) return error.message;
  if (isOutOfMemory(error)) {
    return (
      "This page ran out of memory. Close other tabs and try again, or map the file with " +
      "cellport on your computer."
    );
  }
  return `Something failed that should not have: ${firstLine(error)}. Reload the page and try again.`;
}

export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof WebAssembly.RuntimeError) return "the library that reads it broke off";
  const stack = [...text.matchAll(HDF5_STACK)].map(([, said]) => said);
  if (stack.length > 1) return `${stack[0]} (${stack[stack.length - 1]})`;
  if (stack.length) return stack[0];
  return text.trim().split("\n")[0].replace(/\.$/, "") || "no reason was given";
}

/** Run a reading step; whatever its libraries throw becomes a sentence that names the place. */
export function readable<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(where, error);
  }
}

export function unreadable(where: string, error: unknown): Error {
  if (error instanceof AtlasError || isOutOfMemory(error)) return error as Error;
  if (error instanceof InputError) {
    return error.message.startsWith(where) ? error : new InputError(`${where}: ${error.message}`);
  }
  return new InputError(say(files.unreadable, { where, reason: firstLine(error) }));
}

/** For a file that contradicts itself. */
export function damaged(where: string, what: string): InputError {
  return new InputError(say(files.damaged, { where, what }));
}

/** Name the cells `start:stop` of a place. */
export function cellRange(where: string, start: number, stop: number): string {
  return say(files.cells, { where, first: start, last: Math.max(start, stop - 1) });
}

function isOutOfMemory(error: unknown): boolean {
  // what HDF5 fails to allocate is mostly what a damaged file claims
  return (
    error instanceof Error &&
    !error.message.startsWith("HDF5-DIAG") &&
    /out of memory|allocation failed|Cannot enlarge memory/i.test(error.message)
  );
}
