/** How a file fits the atlases of a site, as a table: the best first. */

import type { AtlasFit } from "../../mapping/atlas_fit";
import { percent, toDigits } from "../../words";
import { h } from "../dom";

export interface FitActions {
  /** The atlas in the words of the list. */
  titleOf(atlas: string): string;
  choose(atlas: string): void;
  /** Those that are asked beside the chosen one. */
  also: Set<string>;
}

const HEADS: [string, boolean][] = [
  ["Atlas", false],
  ["Fits", true],
  ["Expected right", true],
  ["Unlike", true],
  ["Genes found", true],
  ["Organism", false],
  ["Ask too", false],
  ["", false],
];

export function fitsTable(fits: readonly AtlasFit[], actions: FitActions): HTMLElement {
  const heads = HEADS.map(([name, isNumber]) =>
    h("th", { scope: "col", class: isNumber ? "number" : undefined }, name || h("span", { class: "hidden" }, "Map")),
  );
  return h(
    "table",
    { class: "fits" },
    h("caption", { class: "hidden" }, "How your cells fit each atlas, the best first"),
    h("thead", {}, h("tr", {}, ...heads)),
    h("tbody", {}, ...fits.map((fit) => row(fit, actions))),
  );
}

function row(fit: AtlasFit, actions: FitActions): HTMLElement {
  const title = actions.titleOf(fit.atlas);
  const name = h("th", { scope: "row" }, title);
  if (fit.refused) return h("tr", {}, name, h("td", { colspan: HEADS.length - 1, class: "quiet" }, fit.refused));
  const { score, right, like, genes, organism } = fit;
  const numbers: [string, string][] = [
    ["Fits", toDigits(score)],
    ["Expected right", right === null ? "–" : percent(right)],
    ["Unlike", like === null ? "–" : percent(1 - like)],
    ["Genes found", percent(genes)],
  ];
  const choose = () => actions.choose(fit.atlas);
  const map = { type: "button", "aria-label": `Map with it: ${title}`, onclick: choose };
  return h(
    "tr",
    {},
    name,
    ...numbers.map(([head, text]) => h("td", { class: "number", "data-head": head }, text)),
    h("td", { "data-head": "Organism" }, organism || "–"),
    h("td", { "data-head": "Ask too" }, askToo(fit.atlas, title, actions)),
    h("td", { class: "act" }, h("button", map, "Map with it")),
  );
}

/** Whether an atlas is asked beside the one that is chosen. */
function askToo(atlas: string, title: string, { also }: FitActions): HTMLElement {
  const box = h("input", {
    type: "checkbox",
    "aria-label": `Ask it too: ${title}`,
    checked: also.has(atlas),
    onchange: () => (box.checked ? also.add(atlas) : also.delete(atlas)),
  });
  return box;
}
