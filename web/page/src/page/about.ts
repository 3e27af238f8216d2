/** What the atlas says of itself, briefly; the card says the rest. */

import { graphOf, type Manifest, rootsOf, terminalNames } from "../atlas/manifest";
import { grouped, percent } from "../words";
import { fill, h } from "./dom";

export function atlasFacts(manifest: Manifest): string {
  const { cells } = manifest.provenance;
  return [
    manifest.organism,
    cells ? `${grouped(cells)} reference cells` : "",
    manifest.labels.length ? `${grouped(manifest.labels.length)} types` : "",
    `${grouped(manifest.panel.symbols.length)} genes`,
  ]
    .filter((part) => part)
    .join(" · ");
}

/** From where to where it leads; or that there is none, and why. */
function trajectoryFacts(manifest: Manifest): string {
  const graph = graphOf(manifest);
  if (graph) return `from ${rootsOf(graph).join(", ")} to ${terminalNames(graph).join(", ")}`;
  return `none: ${manifest.structure?.no_trajectory || "the atlas places cells among types and clusters only"}`;
}

export function showAbout(element: HTMLElement, manifest: Manifest, card: string): void {
  const { provenance, held_out: heldOut } = manifest;
  const facts: [string, string][] = [
    ["Trained on", `${grouped(provenance.cells)} cells, ${provenance.created}`],
    ["Counts from", provenance.source || "not stated"],
    ["Labels", manifest.labels.join(", ") || "none"],
    ["Trajectory", trajectoryFacts(manifest)],
    ["Licence", provenance.licence || "not stated"],
  ];
  if (provenance.authors) facts.push(["Authors", provenance.authors]);
  if (provenance.attribution) facts.push(["Attribution", provenance.attribution]);
  if (heldOut) {
    facts.splice(1, 0, [
      "Held out",
      `${percent(heldOut.accuracy)} of ${grouped(heldOut.cells)} cells kept out of training were labelled right`,
    ]);
  }
  element.hidden = false;
  fill(
    element,
    h("h2", { id: "about-title" }, "About this atlas"),
    h(
      "dl",
      { class: "facts" },
      ...facts.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]),
    ),
    h(
      "p",
      {},
      h("a", { href: card, target: "_blank", rel: "noopener" }, "Read its card"),
      h("span", { class: "quiet" }, " for accuracy by type, calibration and limits."),
    ),
  );
}
