/** Files of a browser that HDF5 opens: in a worker it reads the ranges that it asks for and nothing
 * else; where nothing is read at once, a file is held whole.
 */

import type { File as H5File } from "h5wasm";

import { hdf5 } from "./hdf5";
import { ReadAhead } from "./read_ahead";

const MOUNT = "/query";
const TOLD_EVERY_MS = 1000;

interface Read {
  ahead: ReadAhead;
  reading: () => void;
}

interface ReadingFs {
  stream_ops: { read: typeof readFile };
}

const reads = new WeakMap<File, Read>();
let mounted = 0;
let told = 0;

/** Mounts files, and lets go of them. */
export class Mounts {
  private readonly letGoes: (() => void)[] = [];

  private constructor(private readonly library: Awaited<ReturnType<typeof hdf5>>) {}

  static async start(): Promise<Mounts> {
    const library = await hdf5();
    return new Mounts(library);
  }

  /** Open a file in a worker; `reading` is called once a second while it is read. */
  inRanges(file: File, reading: () => void = () => undefined): H5File {
    const { files: FS, open } = this.library;
    (FS.filesystems.WORKERFS as ReadingFs).stream_ops.read = readFile;
    const place = `${MOUNT}${mounted++}`;
    reads.set(file, { ahead: new ReadAhead(file, readNow), reading });
    FS.mkdir(place);
    FS.mount(FS.filesystems.WORKERFS, { files: [file] }, place);
    this.letGoes.push(() => {
      FS.unmount(place);
      FS.rmdir(place);
    });
    return open(`${place}/${file.name}`);
  }

  /** Open a file whose bytes are here. */
  whole(bytes: Uint8Array): H5File {
    const { files: FS, open, write } = this.library;
    const place = `${MOUNT}${mounted++}`;
    write(place, bytes);
    this.letGoes.push(() => FS.unlink(place));
    return open(place);
  }

  /** Forget the files, which are closed. */
  letGo(): void {
    for (const letGo of this.letGoes.splice(0)) letGo();
  }
}

/** Whether files are read at once here. */
export function readsAtOnce(): boolean {
  return "FileReaderSync" in globalThis;
}

/** Reads of a mounted file; who waits is told that it is still being read. */
function readFile(
  { node }: { node: { contents: File } },
  { buffer, byteOffset }: Int8Array,
  offset: number,
  length: number,
  position: number,
): number {
  const { ahead, reading } = reads.get(node.contents)!;
  const now = performance.now();
  if (now - told > TOLD_EVERY_MS) {
    told = now;
    reading();
  }
  return ahead.read(new Uint8Array(buffer, byteOffset + offset, length), position);
}

function readNow(piece: Blob): ArrayBuffer {
  return new FileReaderSync().readAsArrayBuffer(piece);
}
