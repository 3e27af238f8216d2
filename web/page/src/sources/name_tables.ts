/** The names of genes and cells beside a matrix of text. */

import decisions from "../decisions";
import { InputError } from "../errors";
import type { GeneColumns } from "./source";
import { areRowNumbers } from "./tables";
import { tenxGeneColumns } from "./tenx";
import { readLines } from "./text_stream";
import type { Triple } from "./triples";

const { files, genes } = decisions;
const HEADERS = new Set([...genes.name_columns.value, ...files.no_names.value]);
// lines that tell how a table is laid out
const HEAD = 1000;

/** How a table of names is laid out. */
interface Layout {
  /** What parts columns. */
  between: string;
  /** Lines before the first name. */
  skipped: number;
  /** Columns whose names say what they are. */
  named: number[];
  /** Column of names where none says so: behind the numbers of rows. */
  first: number;
  /** The column that is called as kinds of features are. */
  kinds: number[];
}

/** The layout of a table; with one line more than rows or columns of the matrix (`sizes`), the first names columns. */
function layoutOf(lines: readonly string[], sizes: readonly number[], wanted: readonly string[]): Layout {
  const between = betweenOf(lines.slice(0, 2));
  const rows = lines.slice(0, HEAD).map((line) => fieldsOf(line, between));
  const n = lines.length;
  const mayHave = n > 0 && sizes.includes(n - 1);
  const has = mayHave && (!sizes.includes(n) || HEADERS.has(rows[0][0].toLowerCase()));
  const header = has ? (rows.shift() ?? []) : [];
  const width = rows[0]?.length ?? 0;
  const lower = header.map((name) => name.toLowerCase());
  // R names no column of names of rows
  const called = (names: readonly string[]) =>
    names.filter((name) => lower.includes(name)).map((name) => lower.indexOf(name) + width - header.length);
  const kinds = called(genes.kind_columns.value).slice(0, 1);
  const numbered = width > 1 && areRowNumbers(rows.map((row) => row[0]));
  return { between, skipped: has ? 1 : 0, named: called(wanted), first: numbered ? 1 : 0, kinds };
}

/** The columns of a row of features: ids, names, kinds, and others that may be. */
function orderOf({ named, first, kinds }: Layout, width: number): number[] {
  const wanted = files.gene_columns.length;
  const known = [...named, ...kinds];
  const others = Array.from({ length: width }, (_, column) => column).filter(
    (column) => column >= first && !known.includes(column),
  );
  if (!kinds.length) return [...named, ...(named.length < wanted ? others : [])];
  // one name stands for both
  const names = [...named, ...others, ...named, ...others];
  return [...names.slice(0, wanted), ...kinds];
}

function betweenOf(lines: readonly string[]): string {
  if (lines.some((line) => line.includes("\t"))) return "\t";
  if (lines[0]?.includes(",")) return ",";
  return lines.some((line) => line.includes('" "')) ? " " : "\t";
}

function fieldsOf(line: string, between: string): string[] {
  const fields = between === "\t" ? line.split("\t") : quotedFields(line, between);
  return fields.map((field) => field.trim().replace(/^"+|"+$/g, ""));
}

function quotedFields(line: string, between: string): string[] {
  const fields = line.match(new RegExp(`("([^"]|"")*"|[^${between}]*)(${between}|$)`, "g")) ?? [];
  const last = fields.at(-1);
  // the end of a line is found once more behind its last field
  const whole = last === "" && fields.length > 1 && !fields.at(-2)?.endsWith(between) ? fields.slice(0, -1) : fields;
  return whole.map((field) => field.replace(new RegExp(`${between}$`), "").replace(/^"|"$/g, "").replaceAll('""', '"'));
}

/** Columns of features: ids first, names second; `sizes` are those of the matrix. */
export async function readFeatures({ features, names }: Triple, sizes: readonly number[]): Promise<string[][]> {
  const lines = await readLines(features);
  const how = layoutOf(lines, sizes, files.gene_columns);
  const all = lines.slice(how.skipped).map((line) => fieldsOf(line, how.between));
  if (how.named.length || how.kinds.length) {
    return all.map((row) => orderOf(how, row.length).map((column) => row[column] ?? ""));
  }
  const rows = all.map((row) => row.slice(how.first));
  if (rows.some((row) => !row.length)) throw new InputError(`${features.name}: a line has no name`);
  if (!names) return rows;
  const symbols = await readLines(names);
  if (symbols.length !== rows.length) {
    throw new InputError(`${names.name} has ${symbols.length} names of ${rows.length} genes.`);
  }
  return rows.map((row, i) => [row[0], symbols[i]]);
}

/** Names of the cells. */
export async function readBarcodes(file: File, sizes: readonly number[]): Promise<string[]> {
  const lines = await readLines(file);
  const how = layoutOf(lines, sizes, files.cell_columns);
  const column = how.named[0] ?? how.first;
  return lines
    .slice(how.skipped)
    .map((line) => (line.split(how.between)[column] ?? "").trim().replace(/^"+|"+$/g, ""));
}

/** Gene columns of features, and what to say of them. */
export function featureColumns(where: string, rows: readonly string[][]): [GeneColumns, string[]] {
  let ids = rows.map((row) => row[0]);
  let names = rows.map((row) => (row.length > 1 ? row[1] : row[0]));
  const types = rows.map((row) => row[2] ?? "");
  const apart = isSplicedApart(ids);
  // names that repeat are summed: ambiguous reads are added to spliced ones, unspliced left out
  if (apart) ids = names = ids.map((id) => (id.endsWith("-U") ? "" : id.replace(/-A$/, "")));
  const [columns, notes] = tenxGeneColumns(where, ids, names, types);
  return [columns, apart ? [files.unspliced, ...notes] : notes];
}

/** Whether alevin-fry has counted spliced, unspliced (-U) and ambiguous (-A) reads. */
function isSplicedApart(ids: readonly string[]): boolean {
  const third = Math.floor(ids.length / 3);
  const wanted = ["U", "A"].flatMap((kind) => ids.slice(0, third).map((id) => `${id}-${kind}`));
  return ids.length > 0 && ids.length === 3 * third && wanted.every((id, i) => id === ids[third + i]);
}
