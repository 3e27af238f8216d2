/** Which genes spoke for the types, and what they do not show.
 *
 * Same as `runtime/report/reasons_section.py` of the Python package.
 */

import decisions from "../../decisions";
import type { LabelReasons } from "../../mapping/explain/reasons";
import { shareOf } from "../../words";
import { heads, html, type Html, name, NOTHING, paragraph, said, section, table } from "../html";
import type { Contents } from "./contents";

const { explain } = decisions;
const TYPES = 25;

/** Name the genes by which types were told, where they were looked for. */
export function reasonsSection({ reasons }: Contents): Html {
  if (!reasons.length) return NOTHING;
  const rows = reasons
    .slice(0, TYPES)
    .map((one) => [name(one.label), genesOf(one), name(one.runnerUp), withoutThem(one)]);
  return section(
    "reasons",
    said("reasons_title"),
    paragraph(html`${explain.lead}`),
    table(heads("reasons"), rows, said("reasons_caption"), "types"),
    paragraph(html`${explain.not_shown}`, "note"),
  );
}

function genesOf({ genes }: LabelReasons): Html {
  const shown = genes.map(({ gene }) => html`<span class="gene">${name(gene)}</span> `);
  return html`<div class="markers">${shown}</div>`;
}

/** How likely a type is with its genes, and without; nothing where that is not known. */
export function withoutThem({ probability, probabilityWithout }: LabelReasons): string {
  if (Number.isNaN(probability)) return "";
  return `${shareOf(probability, 1)} → ${shareOf(probabilityWithout, 1)}`;
}
