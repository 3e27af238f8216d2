/** The table of labels with their counts and confidence. */

import { grouped, percent } from "../words";
import { fill, h } from "./dom";
import type { TypeRow } from "./summary";
import { titleOf } from "./titles";

export function showTypes(
  element: HTMLElement,
  rows: readonly TypeRow[],
  nCells: number,
  select: (row: TypeRow) => void,
): void {
  element.hidden = rows.length === 0;
  const most = Math.max(...rows.map((row) => row.cells));
  const body = rows.map((row) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        h(
          "button",
          {
            type: "button",
            class: "link",
            title: `Select the cells called ${row.name}`,
            onclick: () => select(row),
          },
          row.name,
        ),
      ),
      h("td", { class: "number" }, grouped(row.cells)),
      h("td", { class: "number share" }, share(row.cells / nCells)),
      h("td", { class: "wide" }, bar(row.cells / most, "count")),
      h("td", { class: "number" }, percent(row.prob)),
      h("td", { class: "wide" }, bar(row.prob, "sure")),
      h("td", { class: "number" }, row.novel ? grouped(row.novel) : "–"),
    ),
  );
  fill(
    element,
    h("h2", { id: "types-title" }, "What your cells are"),
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, titleOf("cellport_call")),
            h("th", { scope: "col", class: "number" }, "Cells"),
            h("th", { scope: "col", class: "number share" }, "Share"),
            h("th", { class: "wide", "aria-hidden": "true" }),
            h("th", { scope: "col", class: "number" }, "Confidence"),
            h("th", { class: "wide", "aria-hidden": "true" }),
            h("th", { scope: "col", class: "number" }, "Unlike the atlas"),
          ),
        ),
        h("tbody", {}, ...body),
      ),
    ),
  );
}

function share(value: number): string {
  return value > 0 && value < 0.01 ? "<1%" : percent(value);
}

function bar(value: number, kind: string): HTMLElement {
  const inner = h("i", { class: kind });
  inner.style.width = `${Math.max(1, 100 * value)}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, inner);
}
