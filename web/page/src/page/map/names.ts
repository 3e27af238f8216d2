/** Names on the map, beside what they name and never over each other. */

import type { Place } from "./canvas";
import { svg } from "./symbol";

/** A name, where it belongs on the map, and how much it matters that it is there. */
export interface Name {
  text: string;
  x: number;
  y: number;
  weight: number;
  /** Whether it names cells of the reference alone. */
  quiet: boolean;
}

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A name where it fits, in pixels of the screen. */
export interface Placed {
  name: Name;
  box: Box;
}

const LINE = 17;
const PAD = 3;
const FONT = "600 13px system-ui, sans-serif";
// a name that would stand further off names something else
const RINGS = [0, 1, 1.8, 2.6, 3.4];
const TURNS = 8;

/** Place names, the weightiest first, inside a screen and off what is taken; some may not fit. */
export function placeNames(
  names: readonly Name[],
  place: Place,
  widthOf: (text: string) => number,
  screen: { width: number; height: number },
  taken: readonly Box[],
): Placed[] {
  const found: Placed[] = [];
  const used = [...taken];
  for (const name of [...names].sort((a, b) => b.weight - a.weight)) {
    const [x, y] = place(name.x, name.y);
    if (x < 0 || y < 0 || x > screen.width || y > screen.height) continue;
    const width = widthOf(name.text) + 2 * PAD;
    const box = around(x, y, width).find(
      (one) => within(one, screen) && !used.some((other) => overlap(one, other)),
    );
    if (!box) continue;
    used.push(box);
    found.push({ name, box });
  }
  return found;
}

/** Boxes round a place, the nearest first. */
function* boxes(x: number, y: number, width: number): Generator<Box> {
  for (const ring of RINGS) {
    for (let turn = 0; turn < (ring ? TURNS : 1); turn++) {
      const angle = (2 * Math.PI * turn) / TURNS;
      const dx = ring * Math.cos(angle) * Math.min(width / 2, 2 * LINE);
      const dy = ring * Math.sin(angle) * LINE;
      yield { left: x + dx - width / 2, top: y + dy - LINE / 2, width, height: LINE };
    }
  }
}

function around(x: number, y: number, width: number): Box[] {
  return [...boxes(x, y, width)];
}

function within({ left, top, width, height }: Box, screen: { width: number; height: number }): boolean {
  return left >= 0 && top >= 0 && left + width <= screen.width && top + height <= screen.height;
}

export function overlap(a: Box, b: Box): boolean {
  return (
    a.left < b.left + b.width &&
    b.left < a.left + a.width &&
    a.top < b.top + b.height &&
    b.top < a.top + a.height
  );
}

/** Medians of the places of each of some codes, moved to the nearest cell; NaN without cells. */
export function centres(
  n: number,
  codeOf: (cell: number) => number,
  places: Float32Array,
  codes: number,
): { x: number; y: number; cells: number }[] {
  const members = Array.from({ length: codes }, (): number[] => []);
  for (let cell = 0; cell < n; cell++) members[codeOf(cell)]?.push(cell);
  return members.map((cells) => {
    const median = (axis: 0 | 1) => {
      const values = Float32Array.from(cells, (cell) => places[2 * cell + axis]).sort();
      return values[values.length >> 1];
    };
    const [mx, my] = cells.length ? [median(0), median(1)] : [NaN, NaN];
    let [x, y, least] = [NaN, NaN, Infinity];
    // of a type in two parts the median lies between them
    for (const cell of cells) {
      const apart = (places[2 * cell] - mx) ** 2 + (places[2 * cell + 1] - my) ** 2;
      if (apart < least) [x, y, least] = [places[2 * cell], places[2 * cell + 1], apart];
    }
    return { x, y, cells: cells.length };
  });
}

/** Draws names into an SVG, again for every view of the map. */
export class Names {
  private names: readonly Name[] = [];
  private readonly group = svg("g", "names");
  private readonly pen = document.createElement("canvas").getContext("2d");
  private readonly widths = new Map<string, number>();
  /** Where names stand now. */
  placed: readonly Placed[] = [];

  constructor(overlay: SVGSVGElement) {
    overlay.append(this.group);
  }

  show(names: readonly Name[]): void {
    this.names = names;
  }

  draw(place: Place, screen: { width: number; height: number }, taken: readonly Box[]): void {
    this.placed = placeNames(this.names, place, (text) => this.width(text), screen, taken);
    const texts = this.placed.map(({ name, box }) => {
      const middle = { x: box.left + box.width / 2, y: box.top + box.height / 2 + 4.5 };
      const text = svg("text", name.quiet ? "quiet" : "", middle);
      text.textContent = name.text;
      return text;
    });
    this.group.replaceChildren(...texts);
  }

  private width(text: string): number {
    let width = this.widths.get(text);
    if (width === undefined) {
      if (this.pen) this.pen.font = FONT;
      width = this.pen?.measureText(text).width ?? 8 * text.length;
      this.widths.set(text, width);
    }
    return width;
  }
}
