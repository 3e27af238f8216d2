/** The map: reference cells in grey, the mapped cells on them.
 *
 * Same as `runtime/report/map_section.py` of the Python package.
 */

import decisions from "../../decisions";
import { counted, grouped } from "../../words";
import { html, Html, type Inside, name, NOTHING, paragraph, said, section } from "../html";
import type { Background } from "./background";
import { type Dots, type MapLabel, scatter } from "./charts";
import { type Contents, type Shown, shownCalls } from "./contents";
import type { Sample } from "./gathered";

const { report } = decisions;
// names that fit on a map before it is only letters
const NAMES = 24;

/** The map with its legend; nothing for a query without cells, or without a map. */
export function mapSection(c: Contents): Html {
  const { background, gathered } = c;
  const { point } = gathered.sample;
  const finite = [...gathered.sample.call.keys()].filter((i) => Number.isFinite(point[2 * i] + point[2 * i + 1]));
  if (!background || !finite.length) return NOTHING;
  const calls = shownCalls(c);
  const dots = layers(calls, gathered.sample, finite);
  const [n, reference] = [finite.length, background.point.length / 2];
  const told = said("map_said", { cells: grouped(n), reference: grouped(reference) }).text;
  const labels = labelsOf(c, calls, background);
  const drawing = scatter({ kind: "ref", at: background.point }, dots, labels, told);
  return section(
    "map",
    said("map_title"),
    paragraph(said("map_dots")),
    html`<div class="mapbox">${drawing}${legend(calls, dots)}</div>`,
    paragraph(smallPrint(background, n, c.findings.cells), "note"),
  );
}

/** Places of some of the sampled cells. */
export function pointsOf({ point }: Pick<Sample, "point">, cells: readonly number[]): number[] {
  return cells.flatMap((i) => [point[2 * i], point[2 * i + 1]]);
}

function layers(calls: readonly Shown[], sample: Sample, cells: readonly number[]): Dots[] {
  const novel = pointsOf(sample, cells.filter((i) => sample.novel[i]));
  const rings = novel.length ? [{ kind: "kn", at: novel }, { kind: "kn2", at: novel }] : [];
  if (!calls.length) return [...rings, { kind: "k0", at: pointsOf(sample, cells) }];
  const colourOf = new Map(calls.map(({ code, colour }) => [code, colour]));
  // the rarest on top, and cells without a label below those that have one
  const order = new Set(["ku", "kx", ...calls.map(({ colour }) => colour)]);
  const coloured = [...order].map((kind) => {
    const some = cells.filter((i) => (colourOf.get(sample.call[i]) ?? "kx") === kind);
    return { kind, at: pointsOf(sample, some) };
  });
  return [...rings, ...coloured.filter(({ at }) => at.length)];
}

/** Names of types at their middle: those with cells first, then the largest of the reference. */
function labelsOf({ manifest }: Contents, calls: readonly Shown[], { centre }: Background): MapLabel[] {
  return calls
    .filter(({ outcome }) => outcome === "sure")
    .map((call) => ({ mark: call.mark, title: call.name, at: centre[manifest.labels.indexOf(call.name)] }))
    .filter(({ at }) => at && Number.isFinite(at[0] + at[1]))
    .slice(0, NAMES);
}

function legend(shown: readonly Shown[], dots: readonly Dots[]): Html {
  const drawn = new Set(dots.map(({ kind }) => kind));
  const calls = shown.filter(({ cells }) => cells);
  const own = calls.filter(({ colour }) => drawn.has(colour) && colour !== "kx" && colour !== "ku");
  const others = calls.filter(({ colour }) => colour === "kx").length;
  const items: [string, Inside][] = own.map((call) => [call.colour, name(call.name)]);
  if (!calls.length) items.push(["k0", said("map_yours")]);
  if (others && drawn.has("kx")) items.push(["kx", counted(others, "other type")]);
  if (drawn.has("ku")) items.push(["ku", report.outcome_words.unknown]);
  const rows = items.map(([kind, words]) => html`<li class="of-${kind}"><span class="swatch ${kind}"></span>${words}</li>`);
  if (drawn.has("kn")) rows.push(html`<li><span class="swatch ring"></span>${said("map_ringed")}</li>`);
  rows.push(html`<li><span class="swatch refkey"></span>${said("map_reference")}</li>`);
  return html`<ul class="legend">${rows}</ul>`;
}

function smallPrint({ point, nCells }: Background, drawn: number, cells: number): Html {
  const reference = point.length / 2;
  const some: string[] = [];
  if (drawn < cells) some.push(said("map_some", { drawn: grouped(drawn), all: grouped(cells) }).text);
  if (reference < nCells) {
    some.push(said("map_some_reference", { drawn: grouped(reference), all: grouped(nCells) }).text);
  }
  const few = some.length ? said("map_holds", { drawn: some.join(" and ") }) : "";
  return said("map_print", { few });
}
