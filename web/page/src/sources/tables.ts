/** Text tables: told where their genes are, so that the advice turns them the right way. */

import decisions, { say } from "../decisions";
import { inflated } from "./text_stream";

const { files } = decisions;
const GENE = new RegExp(`^(?:${files.table_gene.value})$`, "i");
const CELL = new RegExp(`^(?:${files.table_cell.value})$`, "i");
// of names on each side, of the header and of the whole text: what is looked at
const NAMES = 3000;
const HEADER_BYTES = 1 << 22;
const BYTES = 1 << 25;

/** The sentence that refuses a text table, with the command that makes an h5ad of it. */
export async function tableRefusal(file: File): Promise<string> {
  const { above, beside, second, separator } = await namesOf(file);
  const numbered = areRowNumbers(beside);
  const genes = whereGenesAre(above, numbered ? second : beside);
  const stem = file.name.split(".")[0];
  return say(files.table, {
    file: file.name,
    genes: files.table_genes[genes],
    separator: separator === "\t" ? "\\t" : separator,
    // the rows' numbers are the first column that is left then
    names: numbered ? "1" : "0",
    turn: (numbered ? ".iloc[:, 1:]" : "") + (genes === "rows" ? ".T" : ""),
    // a table may be called so
    out: file.name === `${stem}.h5ad` ? `${stem}_counts.h5ad` : `${stem}.h5ad`,
  });
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
  return several && !head.includes("\0") && head.length > line.length;
}

interface Names {
  above: string[];
  beside: string[];
  /** Behind those. */
  second: string[];
  separator: string;
}

/** The names above and beside a table, those after these, and what parts columns. */
async function namesOf(file: File): Promise<Names> {
  const decoder = new TextDecoder();
  let header: string | null = null;
  let separator = " ";
  let rest = "";
  let left = BYTES;
  const beside: string[] = [];
  const second: string[] = [];
  const take = (line: string) => {
    if (header === null) {
      header = line.slice(0, HEADER_BYTES);
      separator = ["\t", ",", ";"].find((mark) => line.includes(mark)) ?? " ";
    } else if (beside.length < NAMES) {
      const [first, ...more] = line.split(separator, 2);
      beside.push(bare(first));
      second.push(...more.map(bare));
    }
  };
  for await (const piece of inflated(file)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
    left -= piece.length;
    if (left <= 0 || beside.length >= NAMES) break;
  }
  if (rest) take(rest);
  return { above: (header ?? "").split(separator).slice(0, NAMES).map(bare), beside, second, separator };
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
