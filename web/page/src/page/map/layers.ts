/** Reference and query as points to draw. */

import { marks, referenceMarks, type Shading } from "./colouring";
import type { Theme } from "./palette";
import type { Reference } from "./reference";
import type { Results } from "../../mapping/results";
import type { Layer } from "./canvas";

const FAINT = 28;

/** The reference behind; quieter once there is a query on top. Of a chosen label alone, or all. */
export function referenceLayer(
  reference: Reference,
  labels: readonly string[],
  byLabel: boolean,
  hasQuery: boolean,
  chosen: number | null,
  theme: Theme,
): Layer {
  const { n, places, label } = reference;
  const mark = referenceMarks(label, labels, byLabel, reference.order, hasQuery, theme);
  const colours = new Uint8Array(4 * n);
  const shapes = new Uint8Array(n);
  for (let cell = 0; cell < n; cell++) {
    const { colour, shape } = mark(cell);
    colours.set(colour, 4 * cell);
    if (hasQuery) colours[4 * cell + 3] = 170;
    else colours[4 * cell + 3] = chosen === null || label[cell] === chosen ? 255 : FAINT;
    shapes[cell] = shape;
  }
  const size = pointSize(n) * (hasQuery ? 0.75 : 1);
  return { places, colours, shapes, n, size, rim: false };
}

/** The query; cells that are not among the chosen ones fade, and are drawn first. */
export function queryLayer(
  results: Results,
  shading: Shading,
  chosen: ((cell: number) => boolean) | null,
  theme: Theme,
): Layer {
  const n = results.done;
  const order = drawingOrder(n, chosen);
  const mark = marks(shading, theme);
  const places = new Float32Array(2 * n);
  const colours = new Uint8Array(4 * n);
  const shapes = new Uint8Array(n);
  for (let at = 0; at < n; at++) {
    const cell = order[at];
    const { colour, shape } = mark(cell);
    places[2 * at] = results.places[2 * cell];
    places[2 * at + 1] = results.places[2 * cell + 1];
    colours.set(colour, 4 * at);
    colours[4 * at + 3] = chosen && !chosen(cell) ? FAINT : 255;
    shapes[at] = shape;
  }
  const size = pointSize(n) + (n < 20_000 ? 2.4 : 0);
  return { places, colours, shapes, n, size, rim: n < 20_000 };
}

/** Scattered by position, so that no batch hides another; chosen cells last. */
function drawingOrder(n: number, chosen: ((cell: number) => boolean) | null): Uint32Array {
  const order = new Uint32Array(n);
  // a step without a common divisor visits every cell once
  let step = Math.max(1, Math.floor(n * 0.618));
  while (n > 1 && divisor(step, n) > 1) step++;
  let [first, last] = [0, n - 1];
  for (let i = 0; i < n; i++) {
    const cell = (i * step) % n;
    if (chosen && !chosen(cell)) order[first++] = cell;
    else order[last--] = cell;
  }
  return order;
}

function divisor(a: number, b: number): number {
  return b ? divisor(b, a % b) : a;
}

function pointSize(n: number): number {
  return Math.min(9, Math.max(3, 20 / Math.log10(n + 10)));
}
