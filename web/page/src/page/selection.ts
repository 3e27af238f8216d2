/** The cells behind a point, a line drawn round some, or a row of the table. */

import type { Manifest } from "../atlas/manifest";
import decisions from "../decisions";
import type { Results } from "../mapping/results";
import { grouped, shareOf, short } from "../words";
import { fill, h } from "./dom";
import { termed, termOf } from "./explain/terms";
import { heading, row, table } from "./tables/table";
import { partsOf, titleOf } from "./titles";

const SHOWN = 50;
const TYPES = 6;
const names = decisions.columns;
const SHARES = new Set([names.prob, names.group_share, names.joint_prob, names.agreement]);

export interface Selection {
  title: string;
  cells: Int32Array;
}

export interface SelectionActions {
  download(): void;
  clear(): void;
  /** Look at one cell. */
  choose(cell: number): void;
  /** Lay their genes beside those of all other cells, or of what is held. */
  compare(other: Selection | null): void;
  /** Keep them to be compared with the next. */
  hold(): void;
  held: Selection | null;
  /** Why a cell has its label; null where that is not told. */
  why(cell: number): HTMLElement | null;
}

export function showSelection(
  element: HTMLElement,
  manifest: Manifest,
  results: Results | null,
  selection: Selection | null,
  actions: SelectionActions,
): void {
  element.hidden = !selection || !results;
  if (!selection || !results) return fill(element);
  const { cells, title } = selection;
  const single = cells.length === 1;
  const hadFocus = element.contains(document.activeElement);
  fill(
    element,
    h("h2", { id: "selection-title" }, single ? results.names[cells[0]] : title),
    ...(single ? oneCell(results, cells[0], manifest, actions) : manyCells(results, cells, manifest, actions)),
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", onclick: actions.download }, "Download as CSV"),
      ...(single ? [] : comparing(selection, actions)),
      h("button", { type: "button", class: "plain", onclick: actions.clear }, "Clear"),
    ),
  );
  if (hadFocus) element.focus();
}

function comparing(selection: Selection, { held, compare, hold }: SelectionActions): HTMLElement[] {
  const button = (text: string, onclick: () => void) => h("button", { type: "button", onclick }, text);
  return [
    button("Genes beside all others", () => compare(null)),
    held && held !== selection
      ? button(`Genes beside ${held.title}`, () => compare(held))
      : button(held ? "Held: choose others" : "Hold to compare", hold),
  ];
}

function oneCell(results: Results, cell: number, manifest: Manifest, { why }: SelectionActions): (HTMLElement | null)[] {
  const facts = [...results.columns.keys()].flatMap((name) => [
    h("dt", {}, termed(titleOf(name), termOf(name, manifest), manifest)),
    h("dd", {}, valueOf(results, name, cell)),
  ]);
  return [h("dl", { class: "facts narrow" }, ...facts), why(cell)];
}

function manyCells(
  results: Results,
  cells: Int32Array,
  manifest: Manifest,
  actions: SelectionActions,
): HTMLElement[] {
  const columns = [results.call, names.prob, names.joint, names.joint_prob].filter((name) => results.columns.has(name));
  const rows = Array.from(cells.subarray(0, SHOWN), (cell) => {
    const { [cell]: name } = results.names;
    const values = columns.map((column) => h("td", {}, valueOf(results, column, cell)));
    return row(name, name, () => actions.choose(cell), values);
  });
  const told = columns.map((name) => termed(titleOf(name), termOf(name, manifest), manifest));
  const heads = ["Cell", ...told].map((head) => heading(head));
  const more = cells.length > SHOWN;
  return [
    h("p", { class: "quiet" }, composition(results, cells)),
    h(
      "div",
      { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Selected cells" },
      table(heads, rows),
    ),
    ...(more ? [h("p", { class: "quiet" }, `The first ${SHOWN}; the CSV has all.`)] : []),
  ];
}

function composition(results: Results, cells: Int32Array): string {
  const call = results.category(results.call);
  if (!call) return `${grouped(cells.length)} cells.`;
  const counts = new Map<string, number>();
  for (const cell of cells) {
    const name = call.categories[call.values[cell]];
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const shown = sorted.slice(0, TYPES).map(([name, n]) => `${grouped(n)} ${name}`);
  const rest = sorted.length - shown.length;
  return `${shown.join(", ")}${rest > 0 ? ` and ${rest} more types` : ""}.`;
}

function valueOf(results: Results, name: string, cell: number): string {
  const column = results.columns.get(name);
  if (!column) return "";
  if (column.kind === "bool") return column.values[cell] ? "yes" : "no";
  if (column.kind === "float") {
    const { [cell]: value } = column.values;
    return SHARES.has(partsOf(name)[0]) && !Number.isNaN(value) ? shareOf(value, 1) : short(value);
  }
  return (column.categories[column.values[cell]] ?? "").replaceAll(decisions.values.joined_by, ", ") || "–";
}
