/** Results as an h5ad, the file that `cellport map -o results.h5ad` writes.
 *
 * Same layout as `runtime/writers/h5ad.py` of the Python package.
 */

import { Dataset, type File, type Group, ready } from "h5wasm";

import type { ResultColumn, ResultMatrix } from "../mapping/columns";
import { Pairs, type Said } from "../mapping/provenance";
import { beginning } from "./beginning";
import { columnColours } from "./colours";

export interface Outcome {
  names: readonly string[];
  columns: readonly ResultColumn[];
  matrices: readonly ResultMatrix[];
  uns: Record<string, Said>;
}

/** A file to be filled. */
export function begun(columns: readonly ResultColumn[]): Uint8Array<ArrayBuffer> {
  return beginning(columns.filter(({ kind }) => kind === "bool").map(({ name }) => name));
}

/** Fill a file that holds `begun()`, opened to be changed. */
export async function writeH5ad(file: File, outcome: Outcome): Promise<void> {
  const { names, columns, matrices, uns } = outcome;
  tag(file, "anndata", "0.1.0");
  const obs = file.get("obs") as Group;
  frame(obs, columns.map(({ name }) => name), names);
  for (const column of columns) await writeColumn(obs, column);
  const obsm = mapping(file, "obsm");
  for (const { name, width, values } of matrices) {
    array(obsm, name, values, [names.length, width]);
  }
  for (const name of ["layers", "obsp", "varm", "varp"]) mapping(file, name);
  frame(file.create_group("var"), [], []);
  writeSaid(file, "uns", { ...uns, ...columnColours(columns) });
}

function tag(item: Group | Dataset, encoding: string, version: string): void {
  item.create_attribute("encoding-type", encoding, null, "S");
  item.create_attribute("encoding-version", version, null, "S");
}

function mapping(parent: Group, name: string): Group {
  const group = parent.create_group(name);
  tag(group, "dict", "0.1.0");
  return group;
}

function frame(group: Group, columns: string[], index: readonly string[]): void {
  tag(group, "dataframe", "0.2.0");
  group.create_attribute("_index", "_index", null, "S");
  // of texts of any length there has to be one
  group.create_attribute("column-order", columns, [columns.length], columns.length ? "S" : "S1");
  texts(group, "_index", index);
}

function texts(parent: Group, name: string, values: readonly string[]): void {
  const data = [...values];
  const dataset = parent.create_dataset({ name, data, shape: [data.length], dtype: "S" });
  tag(dataset, "string-array", "0.2.0");
}

function array(
  parent: Group,
  name: string,
  data: Float32Array | Float64Array | Int8Array | Int16Array | Int32Array,
  shape: number[] = [data.length],
): void {
  tag(parent.create_dataset({ name, data, shape }), "array", "0.2.0");
}

async function writeColumn(obs: Group, column: ResultColumn): Promise<void> {
  const { name } = column;
  if (column.kind === "float") return array(obs, name, column.values);
  if (column.kind === "bool") return writeFlags(obs, name, column.values);
  const { categories, values } = column;
  if (column.free) return texts(obs, name, Array.from(values, (code) => categories[code] ?? ""));
  const group = obs.create_group(name);
  tag(group, "categorical", "0.2.0");
  group.create_attribute("ordered", 0, null, "<b");
  texts(group, "categories", categories);
  array(group, "codes", narrowest(values, categories.length));
}

/** Past h5wasm's own writing of slices, which knows no booleans. */
async function writeFlags(obs: Group, name: string, values: Uint8Array): Promise<void> {
  const dataset = obs.get(name);
  if (!(dataset instanceof Dataset)) throw new Error(`no flags for ${name}`);
  tag(dataset, "array", "0.2.0");
  if (!values.length) return;
  dataset.resize([values.length]);
  const hdf5 = await ready;
  const at = hdf5._malloc(values.length);
  try {
    hdf5.HEAPU8.set(values, at);
    const [count, one] = [[BigInt(values.length)], [1n]];
    hdf5.set_dataset_data(dataset.file_id, dataset.path, count, [0n], one, BigInt(at));
  } finally {
    hdf5._free(at);
  }
}

/** Codes as the smallest integers that hold them. */
function narrowest(codes: Int32Array, n: number): Int8Array | Int16Array | Int32Array {
  if (n <= 2 ** 7) return Int8Array.from(codes);
  return n <= 2 ** 15 ? Int16Array.from(codes) : codes;
}

function writeSaid(parent: Group, name: string, said: Said): void {
  if (typeof said === "string") {
    tag(parent.create_dataset({ name, data: said, dtype: "S" }), "string", "0.2.0");
  } else if (typeof said === "number") {
    const dtype = Number.isInteger(said) && Math.abs(said) < 2 ** 31 ? "<i" : "<d";
    tag(parent.create_dataset({ name, data: said, dtype }), "numeric-scalar", "0.2.0");
  } else if (isList(said)) texts(parent, name, said);
  else if (said instanceof Pairs) {
    array(parent, name, said.values, [said.values.length / 2, 2]);
  } else {
    const group = mapping(parent, name);
    // a slash would make a group in a group
    for (const [key, inner] of Object.entries(said)) writeSaid(group, key.replaceAll("/", "_"), inner);
  }
}

function isList(said: Said): said is readonly string[] {
  return Array.isArray(said);
}
