/** Drawings of a report: bars and histograms as HTML, the map as inline SVG.
 *
 * Same as `runtime/report/charts.py` of the Python package.
 */

import { counted, cut, grouped, shareOf } from "../../words";
import { html, Html, type Inside, label, NOTHING, quiet, strong } from "../html";
import { quantile } from "./background";
import type { Ways } from "./path_charts";

const WIDTH = 1000;
const [TALLEST, FLATTEST] = [760, 480];
// how wide and high a letter of a name on the map is, in units of the drawing
const [LETTER, LINE] = [7.4, 21];
const LONGEST = 34;

/** Cells to draw in one way, a class of the style sheet: x and y of each. */
export interface Dots {
  kind: string;
  at: ArrayLike<number>;
}

/** A name on the map, and the number that stands for it where names have no room. */
export interface MapLabel {
  mark: number;
  title: string;
  at: readonly [number, number];
}

export type Placed = (x: number, y: number) => [number, number];

/** One bar cut into parts, each a class, words and a number, with its legend. */
export function shareBar(parts: readonly [string, Inside, number][], whole: number, noun = "cell"): Html {
  const shown = parts.filter(([, , n]) => n);
  const told = shown.map(([kind, words, n]): [string, Html] => [
    kind,
    html`${words}: ${strong(shareOf(n, whole))} ${quiet(`(${counted(n, noun)})`)}`,
  ]);
  const bar = html`<div class="sharebar" aria-hidden="true">${cuts(shown.map(([kind, , n]) => [kind, n]), whole)}</div>`;
  return html`${bar}${legend(told)}`;
}

/** A bar for a row of a table, each part a class and a number. */
export function rowBar(parts: readonly [string, number][], longest: number): Html {
  return html`<div class="rowbar" aria-hidden="true">${cuts(parts, longest)}</div>`;
}

/** A row of a table: a title, a bar, how many cells it stands for, and their share. */
export function countRow(title: Inside, parts: readonly [string, number][], longest: number, whole: number): Inside[] {
  const n = parts.reduce((sum, [, cells]) => sum + cells, 0);
  return [title, rowBar(parts, longest), grouped(n), shareOf(n, whole)];
}

function cuts(parts: readonly [string, number][], whole: number): Html[] {
  return parts
    .filter(([, n]) => n)
    .map(([kind, n]) => html`<span class="${kind}" style="width:${((100 * n) / Math.max(whole, 1)).toFixed(3)}%"></span>`);
}

/** A list of colours, each a class and words. */
export function legend(items: readonly [string, Inside][]): Html {
  return html`<ul class="legend">${items.map(([kind, words]) => html`<li><span class="swatch ${kind}"></span>${words}</li>`)}</ul>`;
}

/** A histogram of cells, [bins][kinds], each kind a class from the bottom up.
 *
 * `ticks` are spread evenly under the bars, `said` is for those who cannot see them, and `numbers`
 * stand above them. `even` draws the height at which all bars would be equal.
 */
export function histogram(
  bars: readonly (readonly number[])[],
  kinds: readonly string[],
  ticks: readonly Inside[],
  said: string,
  { numbers = true, even = false } = {},
): Html {
  const heights = bars.map((bar) => bar.reduce((sum, n) => sum + n, 0));
  const tallest = Math.max(...heights, 1);
  const columns = bars.map((bar, i) => {
    const parts = kinds
      .map((kind, k): [string, number] => [kind, bar[k]])
      .filter(([, n]) => n)
      .reverse()
      .map(([kind, n]) => html`<i class="${kind}" style="height:${((100 * n) / tallest).toFixed(2)}%"></i>`);
    return html`<div>${numbers ? html`<b>${short(heights[i])}</b>` : NOTHING}${parts}</div>`;
  });
  const level = (100 * heights.reduce((sum, n) => sum + n, 0)) / bars.length / tallest;
  const line = even ? html`<hr style="bottom:${level.toFixed(2)}%">` : NOTHING;
  return html`<div class="histogram" role="img" aria-label="${label(said)}"><div class="bars">${line}${columns}</div><div class="ticks">${ticksOf(ticks)}</div></div>`;
}

function ticksOf(words: readonly Inside[]): Html[] {
  return words.map((tick) => html`<span>${tick}</span>`);
}

/** A scale from 1/8 to 8 with a mark at `value`; between `low` and `high` is good. */
export function gauge(value: number, low: number, high: number, words: readonly [Html, Html, Html]): Html {
  const [left, right, mark] = [low, high, value].map(onScale);
  const where = value < low ? words[0] : value > high ? words[2] : words[1];
  const good = `left:${left.toFixed(1)}%;width:${(right - left).toFixed(1)}%`;
  return html`<div class="gauge" role="img" aria-label="${value.toFixed(2)}: ${where}"><div class="track"><span class="good" style="${good}"></span><span class="mark" style="left:${mark.toFixed(1)}%"></span></div><div class="ticks">${ticksOf(words)}</div></div>`;
}

/** The map: reference cells, query cells on top, a trajectory, names.
 *
 * `said` is for those who cannot see it. Dots are subpaths of no length with round ends, about ten
 * bytes each.
 */
export function scatter(
  reference: Dots,
  query: readonly Dots[],
  labels: readonly MapLabel[],
  said: string,
  ways: ((placed: Placed) => Ways) | null = null,
): Html {
  const everything = [reference, ...query];
  const [x, y] = [0, 1].map((axis) => rangeOf(everything, axis));
  const span = [x, y].map(([low, high]) => Math.max(high - low, 1e-9));
  const scale = 0.92 * Math.min(WIDTH / span[0], TALLEST / span[1]);
  const height = Math.min(Math.max((span[1] * scale) / 0.92, FLATTEST), TALLEST);
  const within = (at: number, most: number) => Math.min(Math.max(at, 6), most - 6);
  // upwards is up, and cells far out stand at the edge
  const placed: Placed = (px, py) => [
    within((px - (x[0] + x[1]) / 2) * scale + WIDTH / 2, WIDTH),
    within((py - (y[0] + y[1]) / 2) * -scale + height / 2, height),
  ];
  const n = query.reduce((sum, { at }) => sum + at.length / 2, 0);
  const size = n <= 400 ? 9 : n <= 1500 ? 7 : 5;
  const layers = everything.map((dots) => pathOf(dots, placed));
  if (ways) layers.push(ways(placed).svg());
  const named = apart(labels.map((one) => ({ ...one, at: placed(...one.at) })), height);
  const overlay = named.map(({ mark, title, at }) => {
    const style = `left:${((100 * at[0]) / WIDTH).toFixed(2)}%;top:${((100 * at[1]) / height).toFixed(2)}%`;
    return html`<span style="${style}"><em>${mark}</em><bdi>${cut(title, LONGEST)}</bdi></span>`;
  });
  return html`<div class="map"><svg viewBox="0 0 ${WIDTH} ${height.toFixed(0)}" role="img" aria-label="${label(said)}" style="--dot:${size}px">${layers}</svg><div class="names" aria-hidden="true">${overlay}</div></div>`;
}

function rangeOf(dots: readonly Dots[], axis: number): [number, number] {
  const values: number[] = [];
  for (const { at } of dots) for (let i = axis; i < at.length; i += 2) values.push(at[i]);
  values.sort((a, b) => a - b);
  return [quantile(values, 0.002), quantile(values, 0.998)];
}

function pathOf({ kind, at }: Dots, placed: Placed): Html {
  const dots: string[] = [];
  for (let i = 0; i < at.length; i += 2) {
    const [x, y] = placed(at[i], at[i + 1]);
    dots.push(`M${x.toFixed(0)} ${y.toFixed(0)}h0`);
  }
  return dots.length ? html`<path class="${kind}" d="${dots.join("")}"/>` : NOTHING;
}

type Named = Omit<MapLabel, "at"> & { at: [number, number] };

/** Names moved up and down until they do not cover each other, if that can be done. */
function apart(names: Named[], height: number): Named[] {
  const half = names.map(({ title }) => (LETTER * (Math.min([...title].length, LONGEST) + 3)) / 2);
  names.forEach(({ at }, i) => (at[0] = Math.max(half[i], Math.min(at[0], Math.max(WIDTH - half[i], half[i])))));
  for (let round = 0; round < 200; round++) {
    let moved = false;
    names.forEach((one, i) => {
      for (let j = 0; j < i; j++) {
        const other = names[j];
        const [across, down] = [one.at[0] - other.at[0], one.at[1] - other.at[1]];
        const overlap = LINE - Math.abs(down);
        if (overlap <= 0.5 || Math.abs(across) >= half[i] + half[j]) continue;
        const step = (overlap / 2) * (down >= 0 ? 1 : -1);
        one.at[1] += step;
        other.at[1] -= step;
        moved = true;
      }
    });
    for (const { at } of names) at[1] = Math.min(Math.max(at[1], LINE / 2), height - LINE / 2);
    if (!moved) break;
  }
  return names;
}

function onScale(value: number): number {
  return Math.min(Math.max(50 + (50 * Math.log2(Math.max(value, 1e-9))) / 3, 1), 99);
}

function short(n: number): string {
  if (n < 10_000) return n ? grouped(n) : "";
  return n < 1_000_000 ? `${(n / 1000).toFixed(0)}k` : `${(n / 1e6).toFixed(1)}M`;
}
