/** The HDF5 library, set up so that a file that it cannot read is never taken for one that it can.
 *
 * Left to itself, h5wasm does not look at what HDF5 returns: a chunk that cannot be inflated gives
 * what lay in memory before.
 */

import { File, type FS, ready } from "h5wasm";

export interface Hdf5 {
  /** Its file system. */
  files: typeof FS & object;
  /** Open one of its files; what that one leads to is not opened. */
  open(path: string, mode?: "r" | "a"): File;
  /** Write bytes as one of its files. */
  write(path: string, bytes: Uint8Array): void;
}

// what its error handler writes the error to
const OF_ERRORS = "/tmp/tmpfile_";

let library: Promise<Hdf5> | null = null;

export function hdf5(): Promise<Hdf5> {
  return (library ??= setUp());
}

async function setUp(): Promise<Hdf5> {
  const module = await ready;
  module.activate_throwing_error_handler();
  zeroMemory(module as unknown as Memory);
  const files = module.FS;
  const asked = openAskedOnly(files as unknown as FileSystem);
  return {
    files,
    open: (path, mode = "r") => {
      asked.add(path);
      return new File(path, mode);
    },
    write: (path, bytes) => {
      asked.add(path);
      files.writeFile(path, bytes);
    },
  };
}

interface Memory {
  HEAPU8: Uint8Array;
  _malloc(size: number): number;
}

/** Have memory that is read into begin as zeros: what a failed read leaves there is taken for
 * addresses of texts, and freed. */
function zeroMemory(library: Memory): void {
  const allocate = library._malloc;
  library._malloc = (size) => {
    const at = allocate(size);
    if (at) library.HEAPU8.fill(0, at, at + size);
    return at;
  };
}

interface FileSystem {
  open(path: string, ...rest: unknown[]): unknown;
  ErrnoError: new (code: number) => Error;
}

/** Keep the library from any file but those that were asked for, whatever a file leads to. */
function openAskedOnly(files: FileSystem): Set<string> {
  const asked = new Set<string>();
  const open = files.open.bind(files);
  const NOT_THERE = 44;
  files.open = (path, ...rest) => {
    const known = typeof path !== "string" || asked.has(path) || path.startsWith(OF_ERRORS);
    if (!known) throw new files.ErrnoError(NOT_THERE);
    return open(path, ...rest);
  };
  return asked;
}
