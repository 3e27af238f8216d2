/** Text tables: told where their genes are, so that the advice turns them the right way. */

import decisions, { say } from "../decisions";
import { inflated } from "./text_stream";

const { files, genes } = decisions;
const GENE = new RegExp(`^(?:${files.table_gene.value})$`, "i");
const CELL = new RegExp(`^(?:${files.table_cell.value})$`, "i");
// no text holds such bytes; a line as long as this is the names of many columns
const CONTROL = /[\x00-\x08\x0e-\x1f]/;
const WIDE = 1000;
const NUMBER = new RegExp(`^(?:${files.table_number.value})$`);
// of names on each side, of the header and of the whole text: what is looked at
const NAMES = 3000;
const HEADER_BYTES = 1 << 22;
const BYTES = 1 << 25;
// columns that are looked at: numbers of rows, names, what is said of genes before their counts
const COLUMNS = 12;

/** What the beginning of a table shows. */
interface Table {
  /** Names of columns. */
  above: string[];
  /** The first few, without those names. */
  columns: string[][];
  separator: string;
  /** Lines before the names of columns. */
  skipped: number;
}

/** The sentence that refuses a text table, with the command that makes an h5ad of it. */
export async function tableRefusal(file: File): Promise<string> {
  const table = await seenOf(file);
  const { above, columns } = table;
  const stem = file.name.split(".")[0];
  const said = {
    file: file.name,
    separator: table.separator === "\t" ? "\\t" : table.separator,
    skip: table.skipped ? `, skiprows=${table.skipped}` : "",
    // a table may be called so
    out: file.name === `${stem}.h5ad` ? `${stem}_counts.h5ad` : `${stem}.h5ad`,
  };
  if (isLong(table)) {
    const genesFirst = whereGenesAre(columns[1], columns[0]) !== "columns";
    const [gene, cell] = genesFirst ? above : [above[1], above[0]];
    return say(files.long_table, { gene, cell, count: above[2], ...said });
  }
  const names = areRowNumbers(columns[0] ?? []) && isBeside(table, 1) ? 1 : 0;
  const lie = whereGenesAre(above, columns[names] ?? []);
  let counts = names + 1;
  while (counts < columns.length - 1 && isBeside(table, counts)) counts++;
  const turn = (counts > 1 ? `.iloc[:, ${counts - 1}:]` : "") + (lie === "rows" ? ".T" : "");
  return say(files.table, { genes: files.table_genes[lie], names, turn, ...said });
}

/** Whether a column is mostly of words, or called as what is said of genes. */
function isBeside({ above, columns }: Table, column: number): boolean {
  if (files.table_beside.includes((above[column] ?? "").toLowerCase())) return true;
  const values = columns[column] ?? [];
  return 2 * values.filter((value) => !NUMBER.test(value)).length > values.length;
}

/** Whether each line is one count: a gene and a cell, of which one repeats, and it. */
function isLong(table: Table): boolean {
  const { above, columns } = table;
  if (above.length !== 3 || columns.length !== 3) return false;
  const beside = [0, 1, 2].map((column) => isBeside(table, column));
  if (!beside[0] || !beside[1] || beside[2]) return false;
  const [first, second] = columns.map((names) => 2 * new Set(names).size < names.length);
  // a gene, its chromosome or kind, and one sample is no such table
  const cells = CELL.test(above[1]) || share(CELL, columns[1]) > genes.mostly_ids.value;
  return first || (second && cells);
}

/** Whether names are the numbers of rows, from 0 or 1. */
export function areRowNumbers(names: readonly string[]): boolean {
  const from = (first: number) => names.every((name, row) => name === `${row + first}`);
  return names.length > 1 && (from(0) || from(1));
}

/** Whether the beginning of a file is a text of several columns. */
export function isTable(head: string): boolean {
  const [line] = head.split("\n", 1);
  const several = ["\t", ",", ";"].some((mark) => line.split(mark).length > 2);
  return several && !CONTROL.test(head) && (head.length > line.length || head.length > WIDE);
}

/** The beginning of a table; lines that begin with # are none of it. */
async function seenOf(file: File): Promise<Table> {
  const decoder = new TextDecoder();
  const rows: string[][] = [];
  let header: string | null = null;
  let separator = " ";
  let skipped = 0;
  let rest = "";
  let left = BYTES;
  const take = (line: string) => {
    if (header === null && (line.startsWith("#") || (skipped && line.trim() === ""))) skipped++;
    else if (header === null) {
      header = line.slice(0, HEADER_BYTES);
      separator = ["\t", ",", ";"].find((mark) => line.includes(mark)) ?? " ";
    } else if (rows.length < NAMES) rows.push(line.split(separator, COLUMNS).map(bare));
  };
  for await (const piece of inflated(file)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
    left -= piece.length;
    if (left <= 0 || rows.length >= NAMES) break;
  }
  if (rest) take(rest);
  const width = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const columns = Array.from({ length: width }, (_, column) => rows.map((row) => row[column] ?? ""));
  const above = (header ?? "").split(separator).slice(0, NAMES).map(bare);
  return { above, columns, separator, skipped };
}

/** Whether genes are rows or columns, from the names on both sides. */
export function whereGenesAre(above: string[], beside: string[]): "rows" | "columns" | "unknown" {
  for (const [pattern, first, second] of [
    [GENE, "rows", "columns"],
    [CELL, "columns", "rows"],
  ] as const) {
    const [left, right] = [share(pattern, beside), share(pattern, above)];
    if (left !== right) return left > right ? first : second;
  }
  return "unknown";
}

function share(pattern: RegExp, names: readonly string[]): number {
  return names.filter((name) => pattern.test(name)).length / Math.max(1, names.length);
}

function bare(name: string): string {
  return name.trim().replace(/^["']+|["']+$/g, "");
}
