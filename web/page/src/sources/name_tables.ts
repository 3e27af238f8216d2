/** The names of genes and cells beside a matrix of text. */

import decisions from "../decisions";
import { InputError } from "../errors";
import type { GeneColumns } from "./source";
import { tenxGeneColumns } from "./tenx";
import { readLines } from "./text_stream";
import type { Triple } from "./triples";

const { files, genes } = decisions;
const HEADERS = new Set([...genes.name_columns.value, ...files.no_names.value]);

const isCsv = (file: File) => file.name.toLowerCase().includes(".csv");

/** Columns of features: ids first, names second, as text with tabs has them. */
export async function readFeatures({ features, names }: Triple): Promise<string[][]> {
  const lines = await readLines(features);
  if (isCsv(features)) {
    const [header, ...rows] = lines.map(csvRow);
    const lower = header.map((name) => name.toLowerCase());
    const at = ["gene_id", "gene_name"].map((name) => lower.indexOf(name)).filter((n) => n >= 0);
    return rows.map((row) => (at.length ? at.map((column) => row[column] ?? "") : [row[0]]));
  }
  const rows = featureRows(lines);
  if (!names) return rows;
  const symbols = await readLines(names);
  if (symbols.length !== rows.length) {
    throw new InputError(`${names.name} has ${symbols.length} names of ${rows.length} genes.`);
  }
  return rows.map((row, i) => [row[0], symbols[i]]);
}

/** Columns of features.tsv, also with quotes, commas in place of tabs, or names of columns. */
export function featureRows(lines: readonly string[]): string[][] {
  const first = lines[0] ?? "";
  const between = first.includes("\t") || !first.includes(",") ? "\t" : ",";
  const rows = lines.map((line) =>
    line.split(between).map((field) => field.trim().replace(/^"+|"+$/g, "")),
  );
  return rows.length && HEADERS.has(rows[0][0].toLowerCase()) ? rows.slice(1) : rows;
}

/** Names of the cells. */
export async function readBarcodes(file: File): Promise<string[]> {
  const lines = await readLines(file);
  if (!isCsv(file)) return lines.map((line) => line.split("\t", 1)[0]);
  return lines.slice(1).map((line) => line.split(",", 1)[0].replace(/^"+|"+$/g, ""));
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

function csvRow(line: string): string[] {
  const cells = line.match(/("([^"]|"")*"|[^,]*)(,|$)/g) ?? [];
  return cells.map((cell) => cell.replace(/,$/, "").replace(/^"|"$/g, "").replaceAll('""', '"'));
}
