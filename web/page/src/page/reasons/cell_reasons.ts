/** Why a chosen cell has its label, or might have another: asked for by a button. */

import type { LabelReasons } from "../../mapping/explain/reasons";
import { sentence } from "../../errors";
import { grouped, shareOf, short } from "../../words";
import { fill, h } from "../dom";
import { heading, table } from "../tables/table";
import { type Colour, geneButton } from "./gene_list";

export interface CellReasonsActions {
  /** Genes that spoke for a label, by its position. */
  reasons(label: number): Promise<LabelReasons>;
  colour: Colour;
}

/** A button and what it finds; `own` is what the cell is labelled. */
export function cellReasons(labels: readonly string[], own: string, actions: CellReasonsActions): HTMLElement {
  const choice = h("select", { id: "why-label" }, ...labels.map((label) => h("option", { value: label }, label)));
  choice.value = own;
  const found = h("div", { class: "found", role: "status" });
  const ask = async () => {
    fill(found, h("p", { class: "quiet" }, "Working out the genes…"));
    try {
      const reasons = await actions.reasons(labels.indexOf(choice.value));
      fill(found, ...told(reasons, actions.colour));
    } catch (error) {
      fill(found, h("p", {}, sentence(error)));
    }
  };
  return h(
    "div",
    { class: "why" },
    h("h3", {}, "Why this type?"),
    h(
      "div",
      { class: "tools" },
      h("label", { for: "why-label" }, "Genes that speak for"),
      choice,
      h("button", { type: "button", onclick: () => void ask() }, "Show genes"),
    ),
    found,
  );
}

function told(reasons: LabelReasons, colour: Colour): HTMLElement[] {
  const { genes, label, runnerUp } = reasons;
  if (!genes.length) return [h("p", {}, `No gene speaks for ${label} in this cell.`)];
  const rows = genes.map((gene) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, geneButton(gene.gene, colour)),
      ...[short(gene.forLabel), short(gene.againstRunnerUp), grouped(gene.expressed)].map((text) =>
        h("td", { class: "number" }, text),
      ),
    ),
  );
  const heads = ["Gene", "Log-odds", "Beside the next", "Counts"].map((head, i) => heading(head, i ? "number" : undefined));
  return [h("p", { class: "quiet" }, summary(reasons, runnerUp)), h("div", { class: "scroll" }, table(heads, rows))];
}

function summary({ label, probability, probabilityWithout }: LabelReasons, runnerUp: string): string {
  const next = runnerUp ? ` Next is ${runnerUp}.` : "";
  if (Number.isNaN(probability)) return `What the cell’s genes add to ${label}.${next}`;
  const [sure, left] = [shareOf(probability, 1), shareOf(probabilityWithout, 1)];
  return `${label}: ${sure} probable, ${left} without a count of these genes.${next}`;
}
