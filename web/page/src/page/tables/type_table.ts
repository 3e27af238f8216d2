/** The table of labels with their counts and confidence. */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import { grouped, shareOf } from "../../words";
import { fill, h } from "../dom";
import { termed, termOf, whatIs } from "../explain/terms";
import { titleOf } from "../titles";
import { SortedTable, type TableColumn } from "./sorted_table";
import type { TypeRow } from "./summary";

const { columns } = decisions;

export interface TypeTableOptions {
  rows: readonly TypeRow[];
  nCells: number;
  /** Column that says what cells are called. */
  call: string;
  /** Of the file that it is saved as, without its kind. */
  file: string;
  manifest: Manifest;
  select(row: TypeRow): void;
}

export function showTypes(element: HTMLElement, options: TypeTableOptions): void {
  element.hidden = options.rows.length === 0;
  const name = "What your cells are";
  const table = new SortedTable(options.rows, columnsOf(options), { name, file: `${options.file}_types` });
  fill(element, h("h2", { id: "types-title" }, name), table.element);
}

function columnsOf({ rows, nCells, call, manifest, select }: TypeTableOptions): TableColumn<TypeRow>[] {
  const most = Math.max(...rows.map((row) => row.cells));
  const what = (column: string) => {
    const term = termOf(column, manifest);
    return term && whatIs(term, manifest);
  };
  const novel: TableColumn<TypeRow> = {
    title: titleOf(columns.novel),
    what: what(columns.novel),
    kind: "number",
    value: (row) => row.novel,
    show: (row) => (row.novel ? grouped(row.novel) : "–"),
  };
  return [
    {
      title: titleOf(call),
      what: what(call),
      value: (row) => row.name,
      show: (row) => named(row, manifest, () => select(row)),
    },
    { title: "Cells", kind: "number", value: (row) => row.cells, show: (row) => grouped(row.cells) },
    {
      title: "Share",
      kind: "number share",
      value: (row) => row.cells / nCells,
      show: (row) => shareOf(row.cells, nCells),
    },
    { title: "", kind: "wide", value: () => null, show: (row) => bar(row.cells / most, "count") },
    {
      title: titleOf(columns.prob),
      what: what(columns.prob),
      kind: "number",
      value: (row) => row.prob,
      show: (row) => (row.prob === null ? "–" : shareOf(row.prob, 1)),
    },
    {
      title: "",
      kind: "wide",
      value: () => null,
      show: (row) => (row.prob === null ? "" : bar(row.prob, "sure")),
    },
    ...(manifest.answers.includes("novelty_score") ? [novel] : []),
  ];
}

function named(row: TypeRow, manifest: Manifest, onclick: () => void): HTMLElement {
  const title = `Select the cells called ${row.name}`;
  const button = h("button", { type: "button", class: "link", title, onclick }, row.name);
  return h("span", {}, button, beside(row, manifest));
}

/** What a name that is none of the atlas's types stands for. */
function beside({ outcome }: TypeRow, manifest: Manifest): HTMLElement | null {
  if (outcome === "unknown") return whatIs("unknown", manifest);
  return outcome === "broader" ? h("small", {}, termed("group", "broader", manifest)) : null;
}

export function bar(value: number, kind: string): HTMLElement {
  const inner = h("i", { class: kind });
  inner.style.width = `${Math.max(1, 100 * value)}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, inner);
}
