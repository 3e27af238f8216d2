/** Results as the table that `cellport map -o results.csv` writes. */

import decisions from "../decisions";
import type { ResultColumn, ResultMatrix } from "../mapping/columns";
import type { Results } from "../mapping/results";

/** What a table is made of. */
interface Table {
  names: readonly string[];
  columns: ReadonlyMap<string, ResultColumn>;
  matrices: ReadonlyMap<string, ResultMatrix>;
}

const ROWS = 2048;
const FORMULA = new RegExp(`^(?:${decisions.values.formula.value})`);

/** Pieces of text, each of some thousand cells; `cells` chooses some of them. */
export function* csvParts(
  results: Pick<Results, "done"> & Table,
  cells: ArrayLike<number> | null = null,
): Generator<string> {
  const columns = [...results.columns.values()];
  const matrices = [...results.matrices.values()];
  const header = ["cell", ...columns.map((column) => column.name)];
  for (const { name, width, columns: named } of matrices) {
    for (let d = 0; d < width; d++) header.push(quoted(named?.[d] ?? `${name}_${d}`));
  }
  yield `${header.join(",")}\n`;
  const n = cells ? cells.length : results.done;
  const writers = columns.map(writer);
  for (let begin = 0; begin < n; begin += ROWS) {
    const lines: string[] = [];
    for (let i = begin; i < Math.min(begin + ROWS, n); i++) {
      const cell = cells ? cells[i] : i;
      const fields = [quoted(results.names[cell]), ...writers.map((write) => write(cell))];
      for (const { width, values } of matrices) {
        for (let d = 0; d < width; d++) {
          fields.push(nineDigits(values[cell * width + d]));
        }
      }
      lines.push(fields.join(","));
    }
    yield `${lines.join("\n")}\n`;
  }
}

/** Names and numbers as one line. */
export function csvLine(fields: readonly (string | number)[]): string {
  return `${fields.map((field) => (typeof field === "number" ? field : quoted(field))).join(",")}\n`;
}

function writer(column: ResultColumn): (cell: number) => string {
  if (column.kind === "bool") return (cell) => (column.values[cell] ? "True" : "False");
  if (column.kind === "float") return (cell) => shortest(column.values[cell]);
  const names = column.categories.map(quoted);
  return (cell) => names[column.values[cell]] ?? "";
}

/** The fewest digits that give a float32 back. */
function shortest(value: number): string {
  if (Number.isNaN(value)) return "";
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return nineDigits(value);
}

/** Nine digits name a float32 exactly. */
function nineDigits(value: number): string {
  return Number.isNaN(value) ? "nan" : String(Number(value.toPrecision(9)));
}

/** A text as a field; before one that a spreadsheet would take for a formula stands an apostrophe. */
function quoted(text: string): string {
  const value = FORMULA.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
