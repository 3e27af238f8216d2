/** The map as a picture for a slide: points, names, paths and legend as SVG, or as PNG of it. */

import { grouped, short } from "../../words";
import type { Layer, Place } from "./canvas";
import { entries, type Shading } from "./colouring";
import type { Placed } from "./names";
import { css, type Rgb, scaleColour, type Theme } from "./palette";
import { PATHS } from "./symbol";

// programs that open an SVG take no more points than this at ease; beyond it they are one image
const MOST_POINTS = 20_000;
const LEGEND = 230;
const LINE = 20;
const TITLE = 34;
const PNG_SCALE = 2;
const FONT = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif";

export interface Picture {
  title: string;
  width: number;
  height: number;
  layers: readonly Layer[];
  place: Place;
  names: readonly Placed[];
  /** Paths of the trajectory, as they are on the screen. */
  paths: readonly string[];
  /** Names of its ends, and where they begin. */
  ends: readonly { text: string; x: number; y: number }[];
  shading: Shading | null;
  theme: Theme;
  background: Rgb;
  ink: string;
  /** The canvas as it stands, for many points. */
  canvas: HTMLCanvasElement;
}

export function svgOf(picture: Picture): string {
  const { width, height, background, ink, title, names, paths, ends } = picture;
  const lines = legendOf(picture);
  const [whole, tall] = [width + LEGEND, Math.max(height, lines.height) + TITLE];
  const n = picture.layers.reduce((sum, layer) => sum + layer.n, 0);
  const haloed = {
    "font-weight": 600,
    "font-size": 13,
    stroke: css(background),
    "stroke-width": 4,
    "stroke-linejoin": "round",
    "paint-order": "stroke",
  };
  const written = names.map(({ name, box }) => {
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2 + 4.5];
    return text(name.text, x, y, { ...haloed, "text-anchor": "middle" });
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${whole} ${tall}" width="${whole}" ` +
      `height="${tall}" font-family="${FONT}" fill="${ink}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${whole}" height="${tall}" fill="${css(background)}"/>`,
    text(title, 12, 23, { "font-size": 16, "font-weight": 650 }),
    `<g transform="translate(0 ${TITLE})">`,
    `<clipPath id="plot"><rect width="${width}" height="${height}"/></clipPath><g clip-path="url(#plot)">`,
    n > MOST_POINTS ? imageOf(picture) : picture.layers.map((one) => dots(one, picture)).join(""),
    `<g fill="none" stroke="${ink}" stroke-width="2.5">`,
    ...paths.map((d) => `<path d="${d}"/>`),
    "</g></g>",
    ...written,
    ...ends.map((end) => text(end.text, end.x, end.y, haloed)),
    `<g transform="translate(${width + 12} 0)">${lines.svg}</g>`,
    "</g></svg>",
  ].join("");
}

export async function pngOf(picture: Picture): Promise<Blob> {
  const svg = svgOf(picture);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = PNG_SCALE * image.naturalWidth;
  canvas.height = PNG_SCALE * image.naturalHeight;
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large"))), "image/png");
  });
}

function imageOf({ canvas, width, height }: Picture): string {
  return `<image href="${canvas.toDataURL("image/png")}" width="${width}" height="${height}"/>`;
}

function dots({ places, colours, shapes, n, size }: Layer, { place, width, height }: Picture): string {
  const found: string[] = [];
  const scale = size / 12;
  for (let i = 0; i < n; i++) {
    const [x, y] = place(places[2 * i], places[2 * i + 1]);
    if (x < 0 || y < 0 || x > width || y > height) continue;
    const [r, g, b, a] = colours.subarray(4 * i, 4 * i + 4);
    const at = `translate(${(x - size / 2).toFixed(1)} ${(y - size / 2).toFixed(1)}) scale(${scale.toFixed(3)})`;
    const faint = a < 255 ? ` fill-opacity="${(a / 255).toFixed(2)}"` : "";
    found.push(`<path d="${PATHS[shapes[i]]}" transform="${at}" fill="rgb(${r},${g},${b})"${faint}/>`);
  }
  return `<g>${found.join("")}</g>`;
}

/** The legend beside the map, and how tall it is. */
function legendOf({ shading, theme, width }: Picture): { svg: string; height: number } {
  if (!shading) return { svg: "", height: 0 };
  const title = text(shading.title, 0, 14, { "font-size": 13, "font-weight": 650 });
  if (shading.kind === "number") {
    const stops = Array.from({ length: 13 }, (_, i) => {
      return `<stop offset="${i / 12}" stop-color="${css(scaleColour(i / 12, theme))}"/>`;
    });
    const [low, high] = shading.range.map(short);
    return {
      svg:
        `<linearGradient id="ramp">${stops.join("")}</linearGradient>${title}` +
        `<rect y="24" width="${LEGEND - 40}" height="14" fill="url(#ramp)"/>` +
        text(low, 0, 54, { "font-size": 12 }) +
        text(high, LEGEND - 40, 54, { "font-size": 12, "text-anchor": "end" }),
      height: 70,
    };
  }
  const most = Math.max(20, Math.floor(width / LINE));
  const all = entries(shading, theme);
  const lines = all.slice(0, most).map(({ name, mark, cells }, i) => {
    const y = 24 + i * LINE;
    return (
      `<path d="${PATHS[mark.shape]}" transform="translate(0 ${y})" fill="${css(mark.colour)}"/>` +
      text(name, 20, y + 10, { "font-size": 12 }) +
      text(grouped(cells), LEGEND - 24, y + 10, { "font-size": 12, "text-anchor": "end" })
    );
  });
  const rest = all.length - lines.length;
  const more = rest ? text(`and ${rest} more`, 0, 34 + lines.length * LINE, { "font-size": 12 }) : "";
  return { svg: title + lines.join("") + more, height: 44 + (lines.length + 1) * LINE };
}

function text(said: string, x: number, y: number, attributes: Record<string, string | number>): string {
  const told = Object.entries(attributes).map(([name, value]) => `${name}="${value}"`);
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${told.join(" ")}>${escaped(said)}</text>`;
}

function escaped(text: string): string {
  // control characters, which no XML may hold
  const plain = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");
  return plain.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}
