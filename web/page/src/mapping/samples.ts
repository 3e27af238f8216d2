/** Several queries mapped as samples of one result.
 *
 * Same as `runtime/mapping/annotate/origin.py` of the Python package, and what `map_files.py` makes
 * of it.
 */

import decisions from "../decisions";
import { InputError } from "../errors";
import { codeOf } from "../sources/codes";
import { asTexts } from "../sources/frame";
import type { Column, Frame } from "../sources/source";
import type { MappedBlock, ResultColumn } from "./columns";
import type { Query } from "./query";

const { columns, files } = decisions;

/** A query among several, and the number of cells before its first. */
export interface Sample {
  query: Query;
  start: number;
}

/** What was brought as one query. */
export interface Bundle {
  name: string;
  files: File[];
}

/** Refuse what cannot be told apart by its name. */
export function checkNames(bundles: readonly Bundle[]): void {
  if (new Set(bundles.map(({ name }) => name)).size < bundles.length) {
    throw new InputError(files.named_twice);
  }
}

export function samplesOf(queries: readonly Query[]): Sample[] {
  let start = 0;
  return queries.map((query) => {
    const sample = { query, start };
    start += query.place.matrix.nCells;
    return sample;
  });
}

/** What the names of each query's cells get: its number where queries share names, else nothing.
 *
 * Names that repeat within one query stay.
 */
export function nameSuffixes(frames: readonly Frame[]): string[] {
  if (frames.length < 2) return frames.map(() => "");
  const all = new Set<string>();
  let each = 0;
  for (const frame of frames) {
    const names = new Set(frame.index(0, frame.length));
    each += names.size;
    for (const name of names) all.add(name);
  }
  return frames.map((_, i) => (all.size === each ? "" : `-${i}`));
}

/** Genes that all of them have, or any. */
export function measuredIn(queries: readonly Query[], how: "every" | "some"): Uint8Array {
  return queries[0].genes.measured.map((_, gene) =>
    Number(queries[how](({ genes }) => genes.measured[gene] === 1)),
  );
}

/** Names of the columns of any of them. */
export function columnsOf(frames: readonly Frame[]): string[] {
  return [...new Set(frames.flatMap((frame) => frame.columns))];
}

/** A column of all cells: of numbers where each file has numbers, else of text; empty where a file
 * lacks it. */
export function columnOf(frames: readonly Frame[], name: string): Column {
  const found = frames.map((frame) => (frame.columns.includes(name) ? frame.column(name) : null));
  if (found.length === 1) return found[0]!;
  if (found.every((one) => one === null || one.kind === "number")) {
    const parts = found.map((one, i) =>
      one?.kind === "number" ? one.values : new Float32Array(frames[i].length).fill(NaN),
    );
    return { kind: "number", values: Float32Array.from(parts.flatMap((part) => [...part])) };
  }
  const texts = found.flatMap((one, i) => (one ? [...asTexts(one)] : new Array<string>(frames[i].length).fill("")));
  const codes = new Map<string, number>();
  const coded = Int32Array.from(texts, (text) => (text === "" ? -1 : codeOf(codes, text)));
  return { kind: "category", codes: coded, categories: [...codes.keys()] };
}

/** Puts the blocks of several queries into one: their place, their names, which query they are of. */
export class Joining {
  // texts met in any query, by column
  private readonly met = new Map<string, Map<string, number>>();

  constructor(private readonly names: readonly string[]) {}

  block(block: MappedBlock, sample: number, start: number): MappedBlock {
    if (this.names.length < 2) return block;
    const values = new Int32Array(block.nCells).fill(sample);
    const origin: ResultColumn = { name: columns.query, kind: "category", categories: [...this.names], values };
    const shared = block.columns.map((column) => this.shared(column));
    return { ...block, start: block.start + start, columns: [...shared, origin] };
  }

  /** Columns of all cells of each query, one after another. */
  columns(each: readonly (readonly ResultColumn[])[]): ResultColumn[] {
    const [first, ...others] = each.map((some) => some.map((column) => this.shared(column)));
    return first.map((column, at) => others.reduce((whole, some) => appended(whole, some[at]), column));
  }

  /** Codes of texts that are alike in all queries. */
  private shared(column: ResultColumn): ResultColumn {
    if (column.kind !== "category" || !column.free) return column;
    const met = this.met.get(column.name) ?? new Map<string, number>();
    this.met.set(column.name, met);
    const codes = column.categories.map((text) => codeOf(met, text));
    const values = column.values.map((code) => (code < 0 ? -1 : codes[code]));
    return { ...column, categories: [...met.keys()], values };
  }
}

function appended(one: ResultColumn, other: ResultColumn): ResultColumn {
  if (one.kind === "category" && other.kind === "category") {
    return { ...other, values: Int32Array.from([...one.values, ...other.values]) };
  }
  if (one.kind === "float" && other.kind === "float") {
    return { ...other, values: Float32Array.from([...one.values, ...other.values]) };
  }
  throw new Error("columns of two kinds have one name");
}
