/** From a chosen column to marks of the cells and a legend. */

import type { Results } from "../../mapping/results";
import { codeOf } from "../../sources/codes";
import type { Column } from "../../sources/source";
import {
  categoryMark,
  type Mark,
  referenceColour,
  type Rgb,
  scaleColour,
  type Theme,
  unknownMark,
  unlikeMark,
} from "./palette";

/** What cells are coloured by. */
export type Shading =
  | {
      kind: "category";
      title: string;
      /** Column of the results that it shows, if it shows one. */
      column?: string;
      codes: Int32Array;
      categories: string[];
      /** Names whose marks are the same whatever the query: the atlas's labels. */
      fixed?: readonly string[];
    }
  | {
      kind: "number";
      title: string;
      column?: string;
      values: Float32Array;
      range: [number, number];
    };

export interface Entry {
  name: string;
  code: number;
  mark: Mark;
  cells: number;
}

/** What cells are called that look like the atlas's own, and those that do not. */
export const LIKE = "like the atlas";
export const UNLIKE = "unlike the atlas";
const NO_NAMES = new Set(["unknown", "", "empty"]);

export function shadingOf(title: string, column: Column): Shading {
  if (column.kind === "number") return numberShading(title, column.values);
  if (column.kind === "category") {
    return { kind: "category", title, codes: column.codes, categories: column.categories };
  }
  const code = new Map<string, number>();
  const codes = Int32Array.from(column.values, (value) => codeOf(code, value));
  return { kind: "category", title, codes, categories: [...code.keys()] };
}

export function numberShading(
  title: string,
  values: Float32Array,
  range?: [number, number],
): Shading {
  if (range) return { kind: "number", title, values, range };
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { kind: "number", title, values, range: low < high ? [low, high] : [0, Math.max(high, 1)] };
}

/** Categories that cells have, most frequent first, each with its mark. */
export function entries(shading: Shading, theme: Theme): Entry[] {
  if (shading.kind !== "category") return [];
  const cells = new Float64Array(shading.categories.length);
  for (const code of shading.codes) if (code >= 0) cells[code]++;
  const present = shading.categories
    .map((name, code) => ({ name: name || "(none)", code, cells: cells[code] }))
    .filter((entry) => entry.cells > 0)
    .sort((a, b) => b.cells - a.cells || a.code - b.code);
  const fixed = new Map(shading.fixed?.map((name, n) => [name, n]));
  let used = fixed.size;
  return present.map((entry) => {
    if (entry.name === UNLIKE) return { ...entry, mark: unlikeMark(theme) };
    const unnamed = NO_NAMES.has(shading.categories[entry.code]);
    if (unnamed) return { ...entry, mark: unknownMark(theme) };
    return { ...entry, mark: categoryMark(fixed.get(entry.name) ?? used++, theme) };
  });
}

/** What cells of a query are called, each with the mark that it has on the map. */
export function callEntries(results: Results, order: readonly string[], theme: Theme): Entry[] {
  const call = results.category(results.call);
  if (!call) return [];
  const { values: codes, categories } = call;
  return entries({ kind: "category", title: "", codes, categories, fixed: order }, theme);
}

/** Mark of every cell. */
export function marks(shading: Shading, theme: Theme): (cell: number) => Mark {
  const nothing = unknownMark(theme);
  if (shading.kind === "category") {
    const byCode = new Map(entries(shading, theme).map((entry) => [entry.code, entry.mark]));
    return (cell) => byCode.get(shading.codes[cell]) ?? nothing;
  }
  const [low, high] = shading.range;
  const ramp = Array.from({ length: 256 }, (_, i) => ({
    colour: scaleColour(i / 255, theme),
    shape: 0,
  }));
  return (cell) => {
    const value = shading.values[cell];
    if (Number.isNaN(value)) return nothing;
    const share = Math.min(Math.max((value - low) / (high - low || 1), 0), 1);
    return ramp[Math.round(share * 255)];
  };
}

/** Marks of the reference: its labels where the query is coloured by label, else quiet. */
export function referenceMarks(
  label: ArrayLike<number>,
  labels: readonly string[],
  byLabel: boolean,
  fixed: readonly string[],
  behind: boolean,
  theme: Theme,
): (cell: number) => Mark {
  const quiet: Mark = { colour: referenceColour(theme), shape: 0 };
  if (!byLabel) return () => quiet;
  const byCode = labels.map((name) => {
    const found = categoryMark(fixed.indexOf(name), theme);
    return behind ? { colour: tinted(found.colour, quiet.colour), shape: 0 } : found;
  });
  return (cell) => byCode[label[cell]] ?? quiet;
}

function tinted([r, g, b]: Rgb, [qr, qg, qb]: Rgb): Rgb {
  const mix = (a: number, c: number) => Math.round(0.45 * a + 0.55 * c);
  return [mix(r, qr), mix(g, qg), mix(b, qb)];
}
