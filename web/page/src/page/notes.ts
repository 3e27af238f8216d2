/** What to look at first: warnings, the worst first, and the groups of cells unlike the atlas. */

import type { NovelGroup } from "../mapping/novel_groups";
import type { Html } from "../report/html";
import type { Caution } from "../report/sentences";
import { grouped } from "../words";
import { fill, h } from "./dom";

// the worst are seen; who wants to know all opens the rest
const SHOWN = 3;

export interface Notes {
  cautions: readonly Caution[];
  groups: readonly NovelGroup[];
  /** The most common types, to be looked at by who knows the tissue. */
  fit: { title: string; text: Html } | null;
  /** What was noticed while the file was read. */
  noticed: readonly string[];
}

export interface NotesActions {
  showGroup(group: NovelGroup): void;
  /** Show the cells that a caution is of; null where it is of no cells. */
  cellsOf(caution: Caution): (() => void) | null;
}

export function showNotes(element: HTMLElement, notes: Notes, actions: NotesActions): void {
  const { cautions, groups, fit, noticed } = notes;
  const serious = cautions.filter((caution) => caution.serious).map((one) => cautionItem(one, actions));
  const mild = cautions.filter((caution) => !caution.serious);
  const said = [...mild.map(({ title, text }) => `${title.text}. ${text.text}`), ...noticed];
  element.hidden = false;
  fill(
    element,
    h("h2", { id: "notes-title" }, "What to look at first"),
    ...folded(serious, "cautions", "warning"),
    groups.length > 0 && h("h3", {}, "Groups of cells unlike the atlas"),
    ...folded(groups.map((group) => groupItem(group, actions)), "cautions", "group"),
    fit && h("p", {}, h("strong", {}, fit.title), ` ${fit.text.text}`),
    said.length > 0 && h("h3", {}, "Noticed while reading the file"),
    ...folded(said.map((note) => h("li", {}, note)), "noticed", "remark"),
  );
}

function cautionItem(caution: Caution, actions: NotesActions): HTMLElement {
  const show = actions.cellsOf(caution);
  return h(
    "li",
    {},
    h("strong", {}, `${caution.title.text}.`),
    ` ${caution.text.text} `,
    show && showThem(show, caution.title.text),
  );
}

function groupItem(group: NovelGroup, actions: NotesActions): HTMLElement {
  return h("li", {}, `${group.sentence} `, showThem(() => actions.showGroup(group), group.sentence));
}

function showThem(show: () => void, what: string): HTMLElement {
  return h("button", { type: "button", class: "link", "aria-label": `Show them: ${what}`, onclick: show }, "Show them");
}

/** A list of the first few, and the rest behind a line that opens it. */
function folded(items: readonly HTMLElement[], kind: string, noun: string): HTMLElement[] {
  if (!items.length) return [];
  const rest = items.slice(SHOWN);
  const list = (some: readonly HTMLElement[]) => h("ul", { class: kind }, ...some);
  const found = [list(items.slice(0, SHOWN))];
  if (!rest.length) return found;
  const summary = `${grouped(rest.length)} more ${noun}${rest.length === 1 ? "" : "s"}`;
  return [...found, h("details", {}, h("summary", {}, summary), list(rest))];
}
