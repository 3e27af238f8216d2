/** The table of labels with their counts and confidence. */

import decisions from "../decisions";
import { grouped, percent } from "../words";
import { fill, h } from "./dom";
import type { TypeRow } from "./summary";
import { heading, row, table } from "./table";
import { titleOf } from "./titles";

export function showTypes(
  element: HTMLElement,
  rows: readonly TypeRow[],
  nCells: number,
  tellsNovel: boolean,
  select: (row: TypeRow) => void,
): void {
  element.hidden = rows.length === 0;
  const most = Math.max(...rows.map((row) => row.cells));
  const body = rows.map((type) =>
    row(type.name, `Select the cells called ${type.name}`, () => select(type), [
      h("td", { class: "number" }, grouped(type.cells)),
      h("td", { class: "number share" }, share(type.cells / nCells)),
      h("td", { class: "wide" }, bar(type.cells / most, "count")),
      h("td", { class: "number" }, type.prob === null ? "–" : percent(type.prob)),
      h("td", { class: "wide" }, type.prob !== null && bar(type.prob, "sure")),
      ...(tellsNovel
        ? [h("td", { class: "number" }, type.novel ? grouped(type.novel) : "–")]
        : []),
    ]),
  );
  const wide = () => h("th", { class: "wide", "aria-hidden": "true" });
  const heads = [
    heading(titleOf(decisions.columns.call)),
    heading("Cells", "number"),
    heading("Share", "number share"),
    wide(),
    heading("Confidence", "number"),
    wide(),
    ...(tellsNovel ? [heading("Unlike the atlas", "number")] : []),
  ];
  const title = h("h2", { id: "types-title" }, "What your cells are");
  fill(element, title, h("div", { class: "scroll" }, table(heads, body)));
}

function share(value: number): string {
  return value > 0 && value < 0.01 ? "<1%" : percent(value);
}

function bar(value: number, kind: string): HTMLElement {
  const inner = h("i", { class: kind });
  inner.style.width = `${Math.max(1, 100 * value)}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, inner);
}
