/** What the atlas says of itself, briefly; the card says the rest. */

import type { Manifest } from "../atlas/manifest";
import { structureNames } from "../mapping/structure";
import { grouped, percent } from "../words";
import { fill, h } from "./dom";

interface HeldOut {
  accuracy?: number;
  macro_f1?: number;
  cells?: number;
}

export function atlasFacts(manifest: Manifest): string {
  const cells = Number(manifest.training.cells);
  return [
    manifest.organism,
    cells ? `${grouped(cells)} reference cells` : "",
    manifest.labels.length ? `${grouped(manifest.labels.length)} types` : "",
    `${grouped(manifest.symbols.length)} genes`,
  ]
    .filter((part) => part)
    .join(" · ");
}

/** From where to where it leads; or that there is none, and why. */
function trajectoryFacts(manifest: Manifest): string {
  const { edges, terminals } = structureNames(manifest);
  const stated = (manifest.training.structure ?? {}) as { trajectory?: unknown; roots?: unknown };
  if (!edges.length) {
    return typeof stated.trajectory === "string"
      ? stated.trajectory
      : "none: the atlas places cells among types and clusters only";
  }
  const roots = Array.isArray(stated.roots) ? stated.roots.join(", ") : "its root";
  return `from ${roots} to ${terminals.join(", ")}`;
}

export function showAbout(element: HTMLElement, manifest: Manifest, card: string): void {
  const { training } = manifest;
  const heldOut = (training.held_out ?? {}) as HeldOut;
  const facts: [string, string][] = [
    ["Trained on", `${grouped(Number(training.cells) || 0)} cells, ${manifest.created}`],
    ["Labels", manifest.labels.join(", ") || "none"],
    ["Trajectory", trajectoryFacts(manifest)],
    ["Licence", manifest.licence || "not stated"],
  ];
  if (heldOut.accuracy !== undefined && heldOut.cells) {
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
