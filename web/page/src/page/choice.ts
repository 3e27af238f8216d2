/** Several atlases of a site: which is shown stands in the address. */

import type { Listed } from "../atlas/list";
import { counted, grouped } from "../words";
import { byId, fill, h } from "./dom";
import { ThemeSwitch } from "./theme";

const [PLACE, ALSO] = ["atlas", "also"];
// as many types as tell what tissue it is
const NAMED = 8;

/** The atlas that the address names, or the only one; null where one has to be chosen. */
export function chosenOf(atlases: readonly Listed[]): Listed | null {
  if (atlases.length === 1) return atlases[0];
  return atlases.find(({ name }) => name === wanted()) ?? null;
}

function wanted(): string | null {
  return new URLSearchParams(location.search).get(PLACE);
}

/** The other atlases that the address names, to be asked about the same cells. */
export function alsoWanted(): string[] {
  return new URLSearchParams(location.search).getAll(ALSO);
}

/** Keep in the address which others are asked. */
export function tellAlso(names: readonly string[]): void {
  const url = new URL(location.href);
  url.searchParams.delete(ALSO);
  for (const name of names) url.searchParams.append(ALSO, name);
  if (url.href !== location.href) history.replaceState(history.state, "", url.href);
}

/** The address of an atlas, or of the choice; what else it holds stays. */
function addressOf(name: string | null): string {
  const url = new URL(location.href);
  url.hash = "";
  url.searchParams.delete(ALSO);
  if (name === null) url.searchParams.delete(PLACE);
  else url.searchParams.set(PLACE, name);
  return url.href;
}

/** Show the atlases to choose from; returns where it can be asked which of them fits. `choose` is told of
 * an atlas that is pressed, and says whether it is shown at once: without files its address is opened. */
export function showChoice(atlases: readonly Listed[], choose: (name: string) => boolean): HTMLElement {
  const name = wanted();
  new ThemeSwitch(byId<HTMLButtonElement>("theme"), () => undefined);
  document.body.classList.add("choosing");
  document.title = "cellport";
  byId("atlas-name").textContent = "Choose an atlas";
  byId("atlas-facts").textContent = `${grouped(atlases.length)} atlases`;
  const choice = byId("choice");
  choice.hidden = false;
  const which = h("section", { id: "which", "aria-labelledby": "which-title", tabindex: -1 });
  fill(
    choice,
    which,
    h("h2", { id: "choice-title" }, "Onto which atlas are your cells to be mapped?"),
    name !== null && h("p", { class: "refused", role: "alert" }, `There is no atlas '${name}' here.`),
    h("ul", { class: "atlases" }, ...atlases.map((one) => h("li", {}, ...shown(one, choose)))),
  );
  return which;
}

/** Leave the choice for an atlas without loading the page anew; the way back leads to the choice. */
export function leaveChoice(name: string): void {
  history.pushState(null, "", addressOf(name));
  window.addEventListener("popstate", () => location.reload());
  document.body.classList.remove("choosing");
  const choice = byId("choice");
  choice.hidden = true;
  choice.replaceChildren();
}

function shown(
  { name, title, organism, labels, genes, cells, source, bytes }: Listed,
  choose: (name: string) => boolean,
): (HTMLElement | false)[] {
  const size = `${(bytes / 1e6).toFixed(1)} MB`;
  const facts = [
    organism,
    cells ? `${grouped(cells)} reference cells` : "",
    labels.length ? counted(labels.length, "type") : "no types",
    `${grouped(genes)} genes`,
    size,
  ];
  const more = labels.length > NAMED ? ` and ${grouped(labels.length - NAMED)} more` : "";
  return [
    h("a", { href: addressOf(name), onclick: (event) => choose(name) && event.preventDefault() }, title),
    h("p", { class: "quiet" }, facts.filter((one) => one).join(" · ")),
    labels.length > 0 && h("p", {}, labels.slice(0, NAMED).join(", "), more),
    source !== "" && h("p", { class: "quiet" }, `Counts from ${source}`),
  ];
}

/** The way back to the choice, where there is one. */
export function offerOthers(atlases: readonly Listed[]): void {
  if (atlases.length < 2) return;
  const link = byId<HTMLAnchorElement>("others");
  link.hidden = false;
  link.href = addressOf(null);
  link.textContent = `All ${grouped(atlases.length)} atlases`;
}
