/** Opening whatever somebody brings as a source of raw counts. */

import type { File as H5File } from "h5wasm";

import decisions, { say } from "../decisions";
import { InputError, readable } from "../errors";
import { openAnndata } from "./anndata";
import { notReadable } from "./refusals";
import type { Contents } from "./source";
import { openTenxH5, tenxGroups } from "./tenx_h5";
import { openTenxMtx } from "./tenx_mtx";
import { isMatrix } from "./triples";

const { files } = decisions;
const CONVERT: Record<string, string> = files.convert;

/** Open files; `openHdf5` mounts one so that only the ranges asked for are read. */
export async function openFiles(
  brought: readonly File[],
  openHdf5: (file: File) => H5File,
  genome: string | null = null,
): Promise<Contents> {
  const contents = await opened(brought, openHdf5, genome);
  if (genome !== null && !contents.ofGenome) {
    contents.close();
    throw new InputError(say(files.no_genomes, { title: contents.title, genome }));
  }
  return contents;
}

async function opened(
  brought: readonly File[],
  openHdf5: (file: File) => H5File,
  genome: string | null,
): Promise<Contents> {
  if (!brought.length) throw new InputError("No file was given.");
  if (brought.length > 1 || isMatrix(brought[0].name)) return openTenxMtx(brought);
  const [file] = brought;
  if (!file.size) throw new InputError(say(files.empty, { file: file.name }));
  if (await beginsAsHdf5(file)) {
    const [h5, names] = mounted(file, openHdf5);
    return readable(file.name, () => byContent(h5, names, file.name, genome));
  }
  throw new InputError(await notReadable(file));
}

function mounted(file: File, openHdf5: (file: File) => H5File): [H5File, string[]] {
  try {
    const opened = openHdf5(file);
    // a file that could not be opened says so only when it is asked something
    return [opened, opened.keys()];
  } catch {
    throw new InputError(
      `${file.name} is a damaged or truncated HDF5 file. Download or write it again.`,
    );
  }
}

function byContent(
  file: H5File,
  names: string[],
  title: string,
  genome: string | null,
): Contents {
  try {
    const kind = foreign(names);
    if (kind) throw new InputError(say(files.to_convert, { file: title, what: CONVERT[kind] }));
    const tenx = names.includes("obs") ? [] : tenxGroups(file);
    if (tenx.length) return openTenxH5(file, title, tenx, genome);
    if (names.includes("obs") || names.includes("var")) return openAnndata(file, title);
    const there = names.sort().slice(0, 8).join(", ") || "nothing";
    throw new InputError(say(files.other_hdf5, { file: title, names: there }));
  } catch (error) {
    closed(file);
    throw error;
  }
}

/** Close a file that was refused; a damaged one may not even close. */
function closed(file: H5File): void {
  try {
    file.close();
  } catch {
    return;
  }
}

/** Which of the known foreign kinds a file is, '' when it is none. */
function foreign(names: readonly string[]): string {
  const has = (...wanted: string[]) => wanted.every((name) => names.includes(name));
  if (has("row_attrs", "col_attrs")) return "loom";
  return files.foreign_hdf5.find(({ holds }) => has(...holds))?.kind ?? "";
}

/** The HDF5 signature lies at the start, or behind 512 bytes times a power of two. */
async function beginsAsHdf5(file: File): Promise<boolean> {
  for (const offset of [0, 512, 1024, 2048, 4096]) {
    const bytes = new Uint8Array(await file.slice(offset, offset + 8).arrayBuffer());
    if (String.fromCharCode(...bytes) === "\x89HDF\r\n\x1a\n") return true;
  }
  return false;
}
