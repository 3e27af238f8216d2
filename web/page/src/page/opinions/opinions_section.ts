/** What other atlases say of the cells, in the report's words. */

import decisions from "../../decisions";
import { type Disagreement, type Opinions } from "../../report/opinions";
import { heads, said } from "../../report/html";
import { opinionsLead } from "../../report/saved/opinions_section";
import { counted } from "../../words";
import { fill, h } from "../dom";
import { heading, row, table } from "../tables/table";

const { relations } = decisions.report;

export interface OpinionsActions {
  /** Show the cells of which an atlas says something else than all together. */
  select(one: Disagreement): void;
}

/** Null where one atlas was asked alone. */
export function showOpinions(element: HTMLElement, opinions: Opinions | null, actions: OpinionsActions): void {
  element.hidden = !opinions;
  if (!opinions) return fill(element);
  fill(
    element,
    h("h2", { id: "opinions-title" }, said("opinions_title").text),
    h("p", {}, opinionsLead(opinions).text),
    ...disagreements(opinions, actions),
    alike(opinions),
  );
}

function disagreements({ disagreements: found }: Opinions, { select }: OpinionsActions): HTMLElement[] {
  if (!found.length) return [];
  const rows = found.map((one) => {
    const cells = [one.label, one.atlas, counted(one.cells, "cell")].map((text) => h("td", {}, text));
    return row(one.joint, `Show the cells that ${one.atlas} calls ${one.label}`, () => select(one), cells);
  });
  const caption = said("opinions_caption").text;
  return [h("h3", {}, caption), scrolled(caption, heads("opinions"), rows)];
}

function alike({ alike: found }: Opinions): HTMLElement | null {
  if (!found.length) return null;
  const rows = found.map(({ label, atlas, is, to }) =>
    h("tr", {}, h("th", { scope: "row" }, label), ...[atlas, relations[is], to.join(", ")].map((text) => h("td", {}, text))),
  );
  const listed = scrolled(said("alike_caption").text, heads("alike"), rows);
  return h("details", {}, h("summary", {}, said("alike", { labels: found.length }).text), listed);
}

function scrolled(name: string, titles: readonly string[], rows: readonly HTMLElement[]): HTMLElement {
  const around = { class: "scroll", tabindex: 0, role: "region", "aria-label": name };
  return h("div", around, table(titles.map((title) => heading(title)), rows));
}
