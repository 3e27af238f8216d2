/** Genes to press: the map is coloured by them. */

import { h } from "../dom";

export type Colour = (gene: string) => void;

export function geneButton(name: string, colour: Colour): HTMLElement {
  const title = `Colour the map by ${name}`;
  return h("button", { type: "button", class: "link gene", title, onclick: () => colour(name) }, name);
}

export function geneList(names: readonly string[], colour: Colour): HTMLElement {
  return h("span", { class: "told" }, ...names.map((name) => geneButton(name, colour)));
}
