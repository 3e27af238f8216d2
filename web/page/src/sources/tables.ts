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
  const { above, beside, separator } = await namesOf(file);
  const genes = whereGenesAre(above, beside);
  return say(files.table, {
    file: file.name,
    genes: files.table_genes[genes],
    separator: separator === "\t" ? "\\t" : separator,
    turn: genes === "rows" ? ".T" : "",
    out: `${file.name.split(".")[0]}.h5ad`,
  });
}

/** The names above and beside a table, and what stands between its columns. */
async function namesOf(file: File): Promise<{ above: string[]; beside: string[]; separator: string }> {
  const decoder = new TextDecoder();
  let header: string | null = null;
  let separator = " ";
  let rest = "";
  let left = BYTES;
  const beside: string[] = [];
  const take = (line: string) => {
    if (header === null) {
      header = line.slice(0, HEADER_BYTES);
      separator = ["\t", ",", ";"].find((mark) => line.includes(mark)) ?? " ";
    } else if (beside.length < NAMES) beside.push(bare(line.split(separator, 1)[0]));
  };
  for await (const piece of inflated(file)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
    left -= piece.length;
    if (left <= 0 || beside.length >= NAMES) break;
  }
  if (rest) take(rest);
  return { above: (header ?? "").split(separator).slice(0, NAMES).map(bare), beside, separator };
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
