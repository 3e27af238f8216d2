/** Tables whose rows begin with something to press. */

import { fill, h } from "../dom";

/** A row of cells behind a button that names it. */
export function row(
  name: string,
  title: string,
  press: () => void,
  cells: readonly HTMLElement[],
): HTMLElement {
  const button = h("button", { type: "button", class: "link", title, onclick: press }, name);
  return h("tr", {}, h("th", { scope: "row" }, button), ...cells);
}

export function table(heads: readonly HTMLElement[], rows: readonly HTMLElement[]): HTMLElement {
  const [head, body] = [h("thead", {}, h("tr", {}, ...heads)), h("tbody")];
  fill(body, ...rows);
  return h("table", {}, head, body);
}

export function heading(text: string | HTMLElement, kind?: string): HTMLElement {
  return h("th", { scope: "col", class: kind }, text);
}
