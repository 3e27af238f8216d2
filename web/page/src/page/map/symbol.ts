/** The mark of a category as it is on the map. */

import { css, type Mark } from "./palette";

const PATHS = [
  "M6 1.2a4.8 4.8 0 1 1 0 9.6a4.8 4.8 0 1 1 0-9.6z",
  "M1.8 1.8h8.4v8.4h-8.4z",
  "M6 .6 11.4 6 6 11.4.6 6z",
  "M6 .9 11.2 10H.8z",
];

export function symbol({ colour, shape }: Mark): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("class", "symbol");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[shape]);
  path.setAttribute("fill", css(colour));
  svg.append(path);
  return svg;
}
