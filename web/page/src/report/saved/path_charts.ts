/** Drawings of a trajectory: its course on the map, cells along an edge, genes along a lineage.
 *
 * Same as `runtime/report/path_charts.py` of the Python package.
 */

import { html, Html, type Inside, label, NOTHING } from "../html";

/** Colours of pseudotime, from the first to the last. */
export const TIMES = 10;
const [WIDE, HIGH] = [240, 96];
const TIP = 11;

type Point = [number, number];

/** A trajectory to draw over the cells of a map. */
export class Ways {
  constructor(
    private readonly path: readonly Point[][],
    private readonly stops: readonly Point[],
    private readonly roots: readonly boolean[],
  ) {}

  /** Lines with an arrow in the middle, and a ring at each milestone. */
  svg(): Html {
    const lines = this.path.map(lineOf).join("");
    const tips = this.path.map(tipOf).join("");
    const rings = this.stops.map(([x, y], i) => {
      const at = `M${x.toFixed(0)} ${y.toFixed(0)}h0`;
      return html`<path class="stop" d="${at}"/><path class="${this.roots[i] ? "root" : "inner"}" d="${at}"/>`;
    });
    return html`<path class="wayback" d="${lines}"/><path class="way" d="${lines}"/><path class="tip" d="${tips}"/>${rings}`;
  }
}

/** Bars of the query with the outline of the reference, both shares, [bins].
 *
 * A share of `tallest` is as high as the drawing.
 */
export function alongEdge(query: readonly number[], reference: ArrayLike<number>, tallest: number, said: string): Html {
  const step = WIDE / query.length;
  const high = (share: number) => (HIGH * (1 - (0.96 * share) / Math.max(tallest, 1e-12))).toFixed(1);
  const bars = query.map((share, i) =>
    share > 0 ? `M${(i * step + 1).toFixed(1)} ${HIGH}V${high(share)}H${((i + 1) * step - 1).toFixed(1)}V${HIGH}Z` : "",
  );
  const outline = Array.from(reference, (share, i) => `V${high(share)}H${((i + 1) * step).toFixed(1)}`);
  const line = `M0 ${HIGH}${outline.join("")}V${HIGH}`;
  return small(html`<path class="bar" d="${bars.join("")}"/><path class="line" d="${line}"/>`, said);
}

/** A curve of the atlas with the query as dots, both [steps] on one scale.
 *
 * The query is NaN where it has too few cells for a dot.
 */
export function geneCurve(atlas: readonly number[], query: readonly number[], said: string): Html {
  const top = Math.max(...atlas, ...query.filter((level) => !Number.isNaN(level)), 1e-9);
  const at = (level: number, i: number) =>
    `${(((i + 0.5) / atlas.length) * WIDE).toFixed(1)} ${(HIGH - 5 - ((HIGH - 12) * level) / top).toFixed(1)}`;
  const dots = query.map((level, i) => (Number.isNaN(level) ? "" : `M${at(level, i)}h0`)).join("");
  const base = `M0 ${(HIGH - 0.5).toFixed(1)}H${WIDE}`;
  const drawn = html`<path class="base" d="${base}"/><path class="line" d="M${atlas.map(at).join("L")}"/>`;
  return small(html`${drawn}${dots ? html`<path class="dots" d="${dots}"/>` : NOTHING}`, said);
}

/** Small drawings side by side, each a title, a drawing and words below it. */
export function figures(items: readonly [Inside, Html, Inside][]): Html {
  if (!items.length) return NOTHING;
  const each = items.map(([title, drawing, below]) => html`<figure><figcaption>${title}</figcaption>${drawing}<p>${below}</p></figure>`);
  return html`<div class="figures">${each}</div>`;
}

/** The scale of colours of pseudotime between two words. */
export function timeKey(first: Inside, last: Inside): Html {
  const swatches = Array.from({ length: TIMES }, (_, i) => html`<i class="t${i}"></i>`);
  return html`<div class="timekey"><span>${first}</span><b>${swatches}</b><span>${last}</span></div>`;
}

function small(drawing: Html, said: string): Html {
  return html`<svg class="small" viewBox="0 0 ${WIDE} ${HIGH}" preserveAspectRatio="none" role="img" aria-label="${label(said)}">${drawing}</svg>`;
}

/** A smooth line through the middles between points, from the first to the last. */
function lineOf(points: readonly Point[]): string {
  const whole = (n: number) => n.toFixed(0);
  let text = `M${whole(points[0][0])} ${whole(points[0][1])}`;
  for (let i = 1; i + 1 < points.length; i++) {
    const [[x, y], [nextX, nextY]] = [points[i], points[i + 1]];
    text += `Q${whole(x)} ${whole(y)} ${whole((x + nextX) / 2)} ${whole((y + nextY) / 2)}`;
  }
  const [x, y] = points[points.length - 1];
  return `${text}L${whole(x)} ${whole(y)}`;
}

/** An arrowhead half way along a line. */
function tipOf(points: readonly Point[]): string {
  const reach = [0];
  for (let i = 1; i < points.length; i++) {
    reach.push(reach[i - 1] + Math.hypot(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]));
  }
  const whole = reach[reach.length - 1];
  if (!(whole > 0)) return "";
  const [at, before] = [0.5, 0.46].map((part) => along(points, reach, whole * part));
  const gap = [at[0] - before[0], at[1] - before[1]];
  const length = Math.max(Math.hypot(...gap), 1e-9);
  const ahead = gap.map((one) => one / length);
  const corner = (forth: number, side: number) =>
    `${(at[0] + TIP * (forth * ahead[0] - side * ahead[1])).toFixed(1)} ${(at[1] + TIP * (forth * ahead[1] + side * ahead[0])).toFixed(1)}`;
  return `M${[corner(1, 0), corner(-0.7, 0.8), corner(-0.7, -0.8)].join("L")}Z`;
}

/** Where a line is after some way. */
function along(points: readonly Point[], reach: readonly number[], way: number): Point {
  const next = Math.max(reach.findIndex((one) => one > way), 1);
  const [from, to] = [points[next - 1], points[next]];
  const part = (way - reach[next - 1]) / Math.max(reach[next] - reach[next - 1], 1e-12);
  return [from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])];
}
