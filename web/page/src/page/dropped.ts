/** Files among what was dropped, folders looked into. */

import { InputError } from "../errors";
import type { Bundle } from "../mapping/samples";
import { isPart } from "../sources/triples";
import { bundlesOf } from "./bundles";
import { h } from "./dom";

const ZARR = /^(zarr\.json|\.zgroup|\.zattrs|\.zmetadata)$/;

/** Files as they are; of each folder the three of a 10x matrix. */
export async function droppedFiles(transfer: DataTransfer): Promise<Bundle[]> {
  // both lists die with their event, so everything is taken from them before anything is awaited
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const folders = entries.filter((entry) => entry?.isDirectory) as FileSystemDirectoryEntry[];
  const names = new Set(folders.map(({ name }) => name));
  const loose = bundlesOf(files.filter(({ name }) => !names.has(name)));
  const inside = folders.map(async (folder) => ({ name: folder.name, files: await filesOf(folder) }));
  return [...loose, ...(await Promise.all(inside))];
}

export interface Drops {
  /** What is still being looked into is not wanted any more. */
  forget(): void;
  /** Take nothing any more. */
  end(): void;
}

/** A hidden field to choose files with, which buttons open. */
export function filePicker(take: (bundles: Bundle[]) => void): HTMLInputElement {
  const picker = h("input", {
    type: "file",
    id: "picker",
    multiple: true,
    class: "hidden",
    tabindex: -1,
    "aria-label": "Files with your cells",
    onchange: () => take(bundlesOf([...(picker.files ?? [])])),
  });
  return picker;
}

/** Take what is dropped anywhere in the window, so that a near miss does not open a file instead. */
export function acceptDrops(take: (bundles: Bundle[]) => void, refused: (error: unknown) => void): Drops {
  let drops = 0;
  const ended = new AbortController();
  const { signal } = ended;
  const over = (event: Event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  };
  const leave = (event: DragEvent) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (!event.dataTransfer) return;
    // a folder takes a while to look into, and only the last that was dropped counts
    const last = ++drops;
    droppedFiles(event.dataTransfer)
      .then((bundles) => last === drops && take(bundles))
      .catch((error: unknown) => last === drops && refused(error));
  };
  window.addEventListener("dragover", over, { signal });
  window.addEventListener("dragleave", leave, { signal });
  window.addEventListener("drop", drop, { signal });
  return { forget: () => drops++, end: () => ended.abort() };
}

/** The files of a 10x folder; any other folder is refused. */
export async function filesOf(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const inside = await listed(folder);
  if (/\.zarr$/i.test(folder.name) || inside.some(({ name }) => ZARR.test(name))) {
    throw new InputError(
      `${folder.name} is a zarr store, a folder of very many files, which this page cannot read. ` +
        "Map it with cellport on your computer, or write it as one file: " +
        "anndata.read_zarr(...).write_h5ad(...).",
    );
  }
  const wanted = inside.filter(({ isFile, name }) => isFile && isPart(name));
  if (!wanted.length) {
    throw new InputError(
      `The folder ${folder.name} holds no matrix.mtx.gz; drop the folder that holds it, beside ` +
        "features.tsv.gz and barcodes.tsv.gz, or a file.",
    );
  }
  return Promise.all(
    wanted.map((entry) => new Promise<File>((...both) => (entry as FileSystemFileEntry).file(...both))),
  );
}

/** Everything that lies in a folder; browsers hand it over in batches. */
async function listed(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((...both) => reader.readEntries(...both));
    if (!some.length) return found;
    found.push(...some);
  }
}
