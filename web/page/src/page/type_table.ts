/** The table of labels with their counts and confidence. */

import type { Manifest } from "../atlas/manifest";
import decisions from "../decisions";
import { grouped, shareOf } from "../words";
import { fill, h } from "./dom";
import { termed, termOf, whatIs } from "./explain/terms";
import type { TypeRow } from "./summary";
import { heading, row, table } from "./table";
import { titleOf } from "./titles";

const { columns } = decisions;

export function showTypes(
  element: HTMLElement,
  rows: readonly TypeRow[],
  nCells: number,
  call: string,
  manifest: Manifest,
  select: (row: TypeRow) => void,
): void {
  element.hidden = rows.length === 0;
  const tellsNovel = manifest.answers.includes("novelty_score");
  const prob = titleOf(columns.prob);
  const most = Math.max(...rows.map((row) => row.cells));
  const body = rows.map((type) =>
    row(type.name, `Select the cells called ${type.name}`, () => select(type), beside(type, manifest), [
      h("td", { class: "number" }, grouped(type.cells)),
      h("td", { class: "number share" }, shareOf(type.cells, nCells)),
      h("td", { class: "wide" }, bar(type.cells / most, "count")),
      h("td", { class: "number" }, type.prob === null ? "–" : shareOf(type.prob, 1)),
      h("td", { class: "wide" }, type.prob !== null && bar(type.prob, "sure")),
      ...(tellsNovel
        ? [h("td", { class: "number" }, type.novel ? grouped(type.novel) : "–")]
        : []),
    ]),
  );
  const wide = () => h("th", { class: "wide", "aria-hidden": "true" });
  const heads = [
    heading(termed(titleOf(call), termOf(call, manifest), manifest)),
    heading("Cells", "number"),
    heading("Share", "number share"),
    wide(),
    heading(termed(prob, termOf(columns.prob, manifest), manifest), "number"),
    wide(),
    ...(tellsNovel
      ? [heading(termed(titleOf(columns.novel), "novel", manifest), "number")]
      : []),
  ];
  const title = h("h2", { id: "types-title" }, "What your cells are");
  fill(element, title, h("div", { class: "scroll" }, table(heads, body)));
}

/** What a name that is none of the atlas's types stands for. */
function beside({ outcome }: TypeRow, manifest: Manifest): HTMLElement | null {
  if (outcome === "unknown") return whatIs("unknown", manifest);
  return outcome === "broader" ? termed("group", "broader", manifest) : null;
}

function bar(value: number, kind: string): HTMLElement {
  const inner = h("i", { class: kind });
  inner.style.width = `${Math.max(1, 100 * value)}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, inner);
}
