/** Groups of the query's cells by a column of its file: bars and tables of what they are made of. */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import type { Call } from "../../report/findings";
import type { Column } from "../../sources/source";
import { grouped, shareOf } from "../../words";
import { fill, h } from "../dom";
import { whatIs } from "../explain/terms";
import type { FileResults } from "../file_results";
import type { Entry } from "../map/colouring";
import type { Mark } from "../map/palette";
import { SortedTable, type TableColumn } from "../tables/sorted_table";
import { titleOf } from "../titles";
import { composition, type GroupRow, type Groups, groupsOf } from "./composition";
import { stackedBar } from "./stacked_bar";

const { columns, values } = decisions;
// more are no picture any more
const SHOWN = 60;

export interface GroupsActions {
  /** Read a column of the file. */
  column(name: string): Promise<Column>;
  select(name: string, holds: (cell: number) => boolean): void;
  failed(error: unknown): void;
  /** Another column was chosen; empty for none. */
  chosen(column: string): void;
  /** Marks of the calls as they are on the map. */
  marks(): readonly Entry[];
}

export class GroupsSection {
  private readonly choice = h("select", { id: "group-by", onchange: () => this.choose(this.choice.value) });
  private readonly shown = h("div", { class: "groups" });
  private results: FileResults | null = null;
  private calls: readonly Call[] = [];
  private asked = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly manifest: Manifest,
    private readonly actions: GroupsActions,
  ) {}

  /** Column that cells are grouped by; empty for none. */
  get by(): string {
    return this.results ? this.choice.value : "";
  }

  /** What there is to group by: which file a cell is from, where there are several, and columns. */
  private get names(): readonly string[] {
    if (!this.results) return [];
    const { obsColumns } = this.results.started;
    return this.results.category(columns.query) ? [columns.query, ...obsColumns] : obsColumns;
  }

  offers(name: string): boolean {
    return this.names.includes(name);
  }

  /** What is shown where nothing was chosen: samples, where there are several. */
  get usual(): string {
    return this.results?.category(columns.query) ? columns.query : "";
  }

  forget(): void {
    this.asked++;
    this.results = null;
    this.element.hidden = true;
    fill(this.element);
  }

  offer(results: FileResults, calls: readonly Call[]): void {
    [this.results, this.calls] = [results, calls];
    const names = this.names;
    this.element.hidden = !names.length || !calls.length;
    const options = names.map((name) => h("option", { value: name }, name === columns.query ? titleOf(name) : name));
    fill(this.choice, h("option", { value: "" }, "Choose a column…"), ...options);
    fill(this.shown);
    fill(
      this.element,
      h("h2", { id: "groups-title" }, "Compare groups of your cells"),
      h(
        "div",
        { class: "tools" },
        h("label", { for: "group-by" }, "A column of your files, as samples or clusters"),
        this.choice,
      ),
      this.shown,
    );
  }

  /** Group by a column, or by none where the name is empty or not there. */
  choose(name: string): void {
    const asked = ++this.asked;
    this.choice.value = name;
    this.actions.chosen(this.choice.value);
    fill(this.shown);
    if (!this.choice.value) {
      this.choice.value = "";
      return;
    }
    this.actions
      .column(name)
      .then((column) => asked === this.asked && this.show(name, groupsOf(column)))
      .catch((error: unknown) => asked === this.asked && this.actions.failed(error));
  }

  private show(column: string, groups: Groups | null): void {
    const { results } = this;
    if (!results) return;
    if (!groups) {
      const text = `The column '${column}' holds numbers that name no groups; colour the map by it instead.`;
      return fill(this.shown, h("p", { class: "quiet" }, text));
    }
    const title = column === columns.query ? titleOf(column) : column;
    const rows = composition(groups, results);
    const file = `${results.title}_by_${column.replace(/[^\p{L}\p{N}._-]+/gu, "_")}`;
    const select = (row: GroupRow) =>
      this.actions.select(`${title} ${row.name}`, (cell) => groups.codes[cell] === row.code);
    const name = `Groups by ${title}`;
    const some = rows.slice(0, SHOWN);
    const numbers = new SortedTable(rows, this.countColumns(title), {
      name: `Cells of each type by ${title}`,
      file: `${file}_types`,
    });
    fill(
      this.shown,
      rows.length > SHOWN &&
        h("p", { class: "quiet" }, `The ${SHOWN} largest of ${grouped(rows.length)} groups; the CSV has all.`),
      new SortedTable(some, this.columnsOf(title, select), { name, file }).element,
      h("details", {}, h("summary", {}, "Cells of each type, in numbers"), numbers.element),
    );
  }

  private columnsOf(column: string, select: (row: GroupRow) => void): TableColumn<GroupRow>[] {
    const { manifest } = this;
    const call = this.results!.category(this.results!.call)!;
    const unknown = call.categories.lastIndexOf(values.unknown);
    const share = (title: string, term: "unknown" | "novel", of: (row: GroupRow) => number) => ({
      title,
      what: whatIs(term, manifest),
      kind: "number",
      value: (row: GroupRow) => of(row) / row.cells,
      show: (row: GroupRow) => shareOf(of(row), row.cells),
    });
    const marks = new Map(this.actions.marks().map(({ name, mark }) => [name, mark]));
    return [
      {
        title: column,
        value: (row) => row.name,
        show: (row) => {
          const title = `Select the cells of ${row.name}`;
          return h("button", { type: "button", class: "link", title, onclick: () => select(row) }, row.name);
        },
      },
      { title: "Cells", kind: "number", value: (row) => row.cells, show: (row) => grouped(row.cells) },
      { title: "", kind: "stack", value: () => null, show: (row) => this.stack(row, marks) },
      share("Unknown", "unknown", (row) => row.byCall[unknown] ?? 0),
      ...(manifest.answers.includes("novelty_score")
        ? [share(titleOf(columns.novel), "novel", (row) => row.novel)]
        : []),
      {
        title: "Mean confidence",
        kind: "number share",
        value: (row) => row.prob,
        show: (row) => (row.prob === null ? "–" : shareOf(row.prob, 1)),
      },
    ];
  }

  private stack(row: GroupRow, marks: ReadonlyMap<string, Mark>): HTMLElement {
    return stackedBar(this.calls.map(({ name, code }) => ({ name, cells: row.byCall[code] ?? 0 })), row.cells, marks);
  }

  private countColumns(column: string): TableColumn<GroupRow>[] {
    return [
      { title: column, value: (row) => row.name, show: (row) => row.name },
      ...this.calls.map(({ name, code }) => ({
        title: name,
        kind: "number",
        value: (row: GroupRow) => row.byCall[code],
        show: (row: GroupRow) => (row.byCall[code] ? grouped(row.byCall[code]) : "–"),
      })),
    ];
  }
}
