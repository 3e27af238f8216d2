/** A table that is sorted by its heads, searched, and saved as CSV. */

import { csvLine } from "../../writers/csv";
import { fill, h, save } from "../dom";
import { heading } from "./table";

// fewer rows are seen at once
const SEARCHED = 8;

export interface TableColumn<Row> {
  /** Empty of a column that only shows what another one says. */
  title: string;
  /** A question mark beside the title. */
  what?: HTMLElement | null;
  kind?: string;
  /** Sorts the rows, and stands in the CSV; null sorts last. */
  value(row: Row): number | string | null;
  show(row: Row): HTMLElement | string;
}

export interface TableOptions {
  /** What the table is called, for its search and its CSV. */
  name: string;
  file: string;
  /** Most rows to show; the CSV has all. */
  most?: number;
  /** Column by which it is sorted at first, the largest first. */
  sorted?: number;
}

/** The first column names the rows. */
export class SortedTable<Row> {
  readonly element = h("div", { class: "sorted" });
  private readonly body = h("tbody");
  private readonly head = h("tr");
  private readonly found = h("p", { class: "quiet", role: "status" });
  private readonly search = h("input", { type: "text", placeholder: "Search…" });
  private sought = "";
  private by: { column: TableColumn<Row>; down: boolean } | null = null;

  constructor(
    private readonly rows: readonly Row[],
    private readonly columns: readonly TableColumn<Row>[],
    private readonly options: TableOptions,
  ) {
    const { sorted, name } = options;
    if (sorted !== undefined) this.by = { column: columns[sorted], down: true };
    const table = h("table", {}, h("thead", {}, this.head), this.body);
    const around = { class: "scroll", tabindex: 0, role: "region", "aria-label": `${name}, table` };
    fill(this.element, this.tools(), this.found, h("div", around, table));
    this.draw();
  }

  /** All rows as CSV, in the order in which they are shown. */
  csv(): string {
    const told = this.columns.filter(({ title }) => title);
    const lines = this.shown().map((row) => told.map((column) => column.value(row) ?? ""));
    return [told.map(({ title }) => title), ...lines].map(csvLine).join("");
  }

  private tools(): HTMLElement {
    const { name, file } = this.options;
    const { search } = this;
    search.setAttribute("aria-label", `Search in ${name}`);
    search.addEventListener("input", () => {
      this.sought = search.value.trim().toLowerCase();
      this.draw();
    });
    const csv = () => save(`${file}.csv`, [this.csv()], "text/csv");
    const label = `Save ${name} as CSV`;
    return h(
      "div",
      { class: "tools" },
      search,
      h("span", { class: "spacer" }),
      h("button", { type: "button", class: "plain csv", "aria-label": label, onclick: csv }, "CSV"),
    );
  }

  private shown(): Row[] {
    const [first] = this.columns;
    const found = this.rows.filter((row) => String(first.value(row)).toLowerCase().includes(this.sought));
    const { by } = this;
    if (!by) return found;
    return found.sort((a, b) => (by.down ? -1 : 1) * compared(by.column.value(a), by.column.value(b), by.down));
  }

  /** Show the rows, also those that were added since. */
  draw(): void {
    this.search.hidden = this.rows.length <= SEARCHED;
    const found = this.shown();
    const shown = found.slice(0, this.options.most);
    fill(this.head, ...this.columns.map((column) => this.headOf(column)));
    const [first, ...rest] = this.columns;
    const lines = shown.map((row) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, first.show(row)),
        ...rest.map((column) => h("td", { class: column.kind }, column.show(row))),
      ),
    );
    fill(this.body, ...lines);
    const all = shown.length === this.rows.length;
    this.found.hidden = all;
    this.found.textContent = all ? "" : `${shown.length} of ${this.rows.length}`;
  }

  private headOf(column: TableColumn<Row>): HTMLElement {
    if (!column.title) return h("td", { class: column.kind });
    const sorted = this.by?.column === column;
    const press = () => {
      // numbers matter from the largest on, names from A
      const numbers = this.rows.some((row) => typeof column.value(row) === "number");
      this.by = { column, down: sorted ? !this.by!.down : numbers };
      this.draw();
      this.head.querySelector<HTMLElement>(`[data-column="${this.columns.indexOf(column)}"]`)?.focus();
    };
    const at = this.columns.indexOf(column);
    const button = h("button", { type: "button", class: "sort", "data-column": at, onclick: press }, column.title);
    const th = heading(h("span", { class: "termed" }, button, column.what), column.kind);
    if (sorted) th.setAttribute("aria-sort", this.by!.down ? "descending" : "ascending");
    return th;
  }
}

function compared(a: number | string | null, b: number | string | null, down: boolean): number {
  const last = down ? -1 : 1;
  if (a === null || b === null) return a === b ? 0 : a === null ? last : -last;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
