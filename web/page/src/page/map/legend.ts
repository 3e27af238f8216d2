/** The legend: categories to choose from, or a scale. */

import { grouped, short } from "../../words";
import type { Manifest } from "../../atlas/manifest";
import { entries, type Shading } from "./colouring";
import { fill, h } from "../dom";
import { termed, termOf } from "../explain/terms";
import { css, scaleColour, type Theme } from "./palette";
import { symbol } from "./symbol";

// a column of names has one for every cell
const SHOWN = 60;

export interface LegendOptions {
  shading: Shading | null;
  theme: Theme;
  manifest: Manifest;
  chosen: number | null;
  counted: string;
  choose(code: number | null): void;
}

export function showLegend(element: HTMLElement, options: LegendOptions): void {
  const { shading, theme, manifest } = options;
  if (!shading) return fill(element);
  if (shading.kind === "number") {
    return fill(element, h("h3", {}, titled(shading, manifest)), scale(shading.range, theme));
  }
  const all = entries(shading, theme);
  const items = all.slice(0, SHOWN).map(({ name, code, mark, cells }) =>
    h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          "data-code": code,
          "aria-pressed": String(options.chosen === code),
          onclick: () => options.choose(options.chosen === code ? null : code),
        },
        symbol(mark),
        h("span", { class: "name" }, name),
        h("span", { class: "quiet number" }, grouped(cells)),
      ),
    ),
  );
  // the buttons are made anew; who pressed one with the keyboard stays on it
  const focused = (document.activeElement as HTMLElement | null)?.dataset.code;
  fill(
    element,
    h("h3", {}, titled(shading, manifest), h("small", {}, options.counted)),
    h("ul", { class: "entries" }, ...items),
    all.length > SHOWN && h("p", { class: "quiet" }, `and ${grouped(all.length - SHOWN)} more`),
  );
  if (focused !== undefined) {
    element.querySelector<HTMLElement>(`[data-code="${focused}"]`)?.focus();
  }
}

function titled({ title, column }: Shading, manifest: Manifest): HTMLElement {
  return termed(title, column === undefined ? null : termOf(column, manifest), manifest);
}

function scale([low, high]: [number, number], theme: Theme): HTMLElement {
  const stops = Array.from({ length: 13 }, (_, i) => css(scaleColour(i / 12, theme)));
  const bar = h("div", { class: "ramp" });
  bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  return h(
    "div",
    {},
    bar,
    h("p", { class: "ends quiet" }, h("span", {}, short(low)), h("span", {}, short(high))),
  );
}
