/** Colours and marks that colour-blind readers tell apart, for light and for dark screens. */

import decisions from "../../decisions";

export type Rgb = readonly [number, number, number];

const { colours } = decisions;
// as in the HTML report, and lightened for a dark screen
const LIGHT = colours.categories.value.map(rgb);
const DARK = [
  "#4da3e8", "#a89078", "#2fbf8f", "#e07ab0", "#d3c04a", "#8fd3f5", "#b79af0", "#ff7a85", "#9c5f8f",
].map(rgb); // prettier-ignore
const UNLIKE: Record<Theme, Rgb> = { light: rgb(colours.unlike), dark: rgb("#f08a3c") };
const UNKNOWN: Record<Theme, Rgb> = { light: rgb("#7c8592"), dark: rgb("#8b95a3") };
const REFERENCE: Record<Theme, Rgb> = { light: rgb("#c3c9d2"), dark: rgb("#4a5260") };

// viridis, without the ends that fade into white or black
const SCALE: Record<Theme, Rgb[]> = {
  light: ["#440154", "#443983", "#31688e", "#21918c", "#35b779", "#90d743", "#d8d017"].map(rgb),
  dark: ["#7351b8", "#5368b4", "#3a82a8", "#2ba59f", "#4fc885", "#a3e04b", "#fde725"].map(rgb),
};

export type Theme = "light" | "dark";

/** Marks in the order in which they are used up: circle, square, diamond, triangle, triangle on its
 * tip, plus. With nine colours, 54 kinds are told apart. */
const SHAPES = 6;

export interface Mark {
  colour: Rgb;
  shape: number;
}

/** Mark of the n-th category: nine colours, then the same colours with another shape. */
export function categoryMark(n: number, theme: Theme): Mark {
  const colours = theme === "dark" ? DARK : LIGHT;
  return {
    colour: colours[n % colours.length],
    shape: Math.floor(n / colours.length) % SHAPES,
  };
}

/** Of cells unlike the atlas, whatever the file. */
export function unlikeMark(theme: Theme): Mark {
  return { colour: UNLIKE[theme], shape: 0 };
}

export function unknownMark(theme: Theme): Mark {
  return { colour: UNKNOWN[theme], shape: 0 };
}

export function referenceColour(theme: Theme): Rgb {
  return REFERENCE[theme];
}

/** Colour of a share from 0 to 1. */
export function scaleColour(share: number, theme: Theme): Rgb {
  const stops = SCALE[theme];
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const [a, b] = [stops[low], stops[low + 1]];
  const mix = (i: 0 | 1 | 2) => Math.round(a[i] + (b[i] - a[i]) * (at - low));
  return [mix(0), mix(1), mix(2)];
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

function rgb(hex: string): Rgb {
  const n = Number.parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}
