/** What the words on the page mean: the report's own sentences. */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import { meaning, type Term } from "../../report/terms";
import { h } from "../dom";
import { questionMark } from "./bubble";

const { columns, terms } = decisions;

export type { Term };

/** A question mark that opens the sentence of a term. */
export function whatIs(term: Term, manifest: Manifest): HTMLElement {
  return questionMark(terms[term].title, meaning(term, manifest));
}

/** Words with the question mark of their term, which never stands alone on a line. */
export function termed(text: string, term: Term | null, manifest: Manifest): HTMLElement {
  return h("span", { class: "termed" }, text, term && whatIs(term, manifest));
}

/** The term that a column of the results is of. */
export function termOf(column: string, { head }: Pick<Manifest, "head">): Term | null {
  const key = Object.entries(columns).find(([, name]) => name === column)?.[0];
  if (key === "prob" && !head.set_prob.length) return "model_prob";
  return key !== undefined && key in terms ? (key as Term) : null;
}

/** What the atlas makes of genes that a file lacks. */
export function genesTerm({ fill }: Pick<Manifest, "fill">): Term {
  return fill === "zero" ? "genes_zero" : "genes";
}
