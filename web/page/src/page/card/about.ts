/** What the atlas says of itself, briefly; the card says the rest. */

import { type AssumedBatch, graphOf, hasReference, type Manifest, rootsOf, terminalNames } from "../../atlas/manifest";
import { grouped, shareOf, short } from "../../words";
import { fill, h } from "../dom";
import { markdown } from "./markdown";

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
  if (graph) {
    const starts = graph.root_from.length ? graph.root_from : rootsOf(graph);
    return `from ${starts.join(", ")} to ${terminalNames(graph).join(", ")}`;
  }
  return `none: ${manifest.structure?.no_trajectory || "the atlas places cells among types and clusters only"}`;
}

/** What stands for the batch of a cell, and how much depends on it. */
function batchFacts({ batches, weights, agreement, cells, shift }: AssumedBatch): string {
  const used = batches.filter((_, batch) => weights[batch] > 0);
  const stands = used.length === 1 ? used[0] : `the mean of ${grouped(used.length)} batches`;
  if (shift === null) return stands;
  const kept =
    agreement === null
      ? ""
      : `at least ${shareOf(agreement, 1)} of ${cells} cells drawn from the model keep their label, and `;
  return `${stands}; were it any single one, ${kept}latents would move by at most ${short(shift)} of their spread`;
}

export function showAbout(element: HTMLElement, manifest: Manifest, card: string | null): void {
  const { provenance, held_out: heldOut, assumed_batch: assumed } = manifest;
  const facts: [string, string][] = [
    provenance.converted_from
      ? ["Converted from", `${provenance.converted_from}, ${provenance.created}`]
      : ["Trained on", `${grouped(provenance.cells)} cells, ${provenance.created}`],
    ["Counts from", provenance.source || "not stated"],
    ["Labels", manifest.labels.join(", ") || "none"],
    ["Licence", provenance.licence || "not stated"],
  ];
  if (hasReference(manifest)) facts.push(["Trajectory", trajectoryFacts(manifest)]);
  if (assumed) facts.push(["Batch of a cell", batchFacts(assumed)]);
  if (provenance.authors) facts.push(["Authors", provenance.authors]);
  if (provenance.attribution) facts.push(["Attribution", provenance.attribution]);
  if (provenance.limits) facts.push(["Limits", provenance.limits]);
  if (heldOut) {
    facts.splice(1, 0, [
      "Held out",
      `${shareOf(heldOut.accuracy, 1)} of ${grouped(heldOut.cells)} cells kept out of training were labelled right`,
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
    card !== null && cardOf(card, heldOut !== null),
  );
}

/** The whole card, to be opened; at `#card` it stands open. */
function cardOf(card: string, scored: boolean): HTMLElement {
  const what = scored ? "accuracy by type, calibration and limits" : "what it tells and what not";
  return h(
    "details",
    { id: "card", open: location.hash === "#card" },
    h("summary", {}, `Read its card: ${what}`),
    h("div", { class: "written" }, ...markdown(card)),
  );
}
