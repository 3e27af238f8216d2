/** Marks of categories as they are on the map, as SVG. */

import { css, type Mark } from "./palette";

/** Outlines in a box of 12, of each shape. */
export const PATHS = [
  "M6 1.2a4.8 4.8 0 1 1 0 9.6a4.8 4.8 0 1 1 0-9.6z",
  "M1.8 1.8h8.4v8.4h-8.4z",
  "M6 .6 11.4 6 6 11.4.6 6z",
  "M6 .9 11.2 10H.8z",
  "M6 11.1.8 2h10.4z",
  "M4 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
];

export function svg(tag: string, kind: string, attributes: Record<string, string | number> = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (kind) element.setAttribute("class", kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

export function symbol({ colour, shape }: Mark): SVGElement {
  const element = svg("svg", "symbol", { viewBox: "0 0 12 12", "aria-hidden": "true" });
  element.append(svg("path", "", { d: PATHS[shape], fill: css(colour) }));
  return element;
}
