/** Opening whatever somebody brings as a source of raw counts. */

import type { File as H5File } from "h5wasm";

import { InputError } from "../errors";
import { openAnndata } from "./anndata";
import type { Contents } from "./source";
import { openTenxH5, tenxGroups } from "./tenx_h5";
import { openTenxMtx } from "./tenx_mtx";

const READABLE = "an .h5ad, a 10x .h5, or the three files of a 10x folder";
const CONVERT: Record<string, string> = {
  rds: "an R object; convert it to h5ad, for example with zellkonverter::writeH5AD in R",
  rda: "an R workspace; convert it to h5ad, for example with zellkonverter::writeH5AD in R",
  rdata: "an R workspace; convert it to h5ad, for example with zellkonverter::writeH5AD in R",
  loom: "a loom file; convert it with anndata.io.read_loom(...).write_h5ad(...)",
  h5seurat: "an h5Seurat file; convert it to h5ad, for example with SeuratDisk::Convert",
  csv: "a text table; read it with anndata.io.read_csv(...) and write it as h5ad",
  tsv: "a text table; read it with anndata.io.read_csv(...) and write it as h5ad",
  txt: "a text table; read it with anndata.io.read_csv(...) and write it as h5ad",
  zip: "a zip archive; unpack it first",
  tar: "a tar archive; unpack it first",
  tgz: "a tar archive; unpack it first",
};

/** Open files; `openHdf5` mounts one so that only the ranges asked for are read. */
export async function openFiles(
  files: readonly File[],
  openHdf5: (file: File) => H5File,
): Promise<Contents> {
  if (!files.length) throw new InputError("No file was given.");
  if (files.some((file) => /\.mtx(\.gz)?$/i.test(file.name))) return openTenxMtx(files);
  if (files.length > 1) {
    throw new InputError(
      `Choose one file at a time: ${READABLE}. cellport map, on your computer, takes several together.`,
    );
  }
  const [file] = files;
  if (!file.size) throw new InputError(`${file.name} is an empty file.`);
  if (await beginsAsHdf5(file)) {
    const [opened, names] = mounted(file, openHdf5);
    return byContent(opened, names, file.name);
  }
  throw new InputError(notReadable(file.name));
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

function byContent(file: H5File, names: string[], title: string): Contents {
  try {
    const convert = foreign(names);
    if (convert) throw new InputError(`${title} is ${convert}`);
    const tenx = names.includes("obs") ? [] : tenxGroups(file);
    if (tenx.length) return openTenxH5(file, title, tenx);
    if (names.includes("obs") || names.includes("var")) return openAnndata(file, title);
    throw new InputError(
      `${title} is HDF5 but neither an h5ad nor a 10x matrix; it holds ` +
        `${names.sort().slice(0, 8).join(", ") || "nothing"}.`,
    );
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Say what to convert first, '' when the file is none of the known foreign kinds. */
function foreign(names: readonly string[]): string {
  const has = (...wanted: string[]) => wanted.every((name) => names.includes(name));
  if (has("row_attrs", "col_attrs")) return `${CONVERT.loom}.`;
  if (has("assays", "meta.data")) return `${CONVERT.h5seurat}.`;
  if (has("mod", "obs") && !has("X")) {
    return "a MuData file; write its RNA modality alone as h5ad.";
  }
  if (has("barcode_info") || has("molecule_info")) {
    return "a 10x molecule_info file; use filtered_feature_bc_matrix.h5 beside it.";
  }
  return "";
}

/** The HDF5 signature lies at the start, or behind 512 bytes times a power of two. */
async function beginsAsHdf5(file: File): Promise<boolean> {
  for (const offset of [0, 512, 1024, 2048, 4096]) {
    const bytes = new Uint8Array(await file.slice(offset, offset + 8).arrayBuffer());
    if (String.fromCharCode(...bytes) === "\x89HDF\r\n\x1a\n") return true;
  }
  return false;
}

function notReadable(name: string): string {
  const bare = name.toLowerCase().replace(/\.gz$/, "");
  const suffix = bare.includes(".") ? bare.slice(bare.lastIndexOf(".") + 1) : "";
  if (/(features|genes|barcodes)\.tsv$/.test(bare)) {
    return `${name} is one of three files; choose matrix.mtx.gz, features.tsv.gz and barcodes.tsv.gz together.`;
  }
  if (suffix in CONVERT) return `${name} is ${CONVERT[suffix]}.`;
  if (["h5ad", "h5", "hdf5"].includes(suffix)) {
    return name.toLowerCase().endsWith(".gz")
      ? `${name} is compressed as a whole; unpack it first, for example with gunzip.`
      : `${name} is not an HDF5 file, whatever its name says; download or write it again.`;
  }
  return `${name} is of no kind that can be read; give ${READABLE}.`;
}
