/** What is drawn on the map's canvas: points, and the part of the plane that is shown. */

/** Points of one kind, drawn in their order. */
export interface Layer {
  /** x and y, point after point. */
  places: Float32Array;
  /** r, g, b and opacity. */
  colours: Uint8Array;
  /** 0 circle, 1 square, 2 diamond, 3 triangle, 4 triangle on its tip, 5 plus. */
  shapes: Uint8Array;
  n: number;
  /** Diameter in CSS pixels. */
  size: number;
  /** Whether each point has a rim in the colour of the page. */
  rim: boolean;
}

/** What part of the plane is shown: centre, and CSS pixels a unit. */
export interface View {
  x: number;
  y: number;
  scale: number;
}

/** Where a point of the map is on the screen. */
export type Place = (x: number, y: number) => [number, number];

export interface Scatter {
  setLayers(layers: readonly Layer[]): void;
  /** Draw every `stepOf(layer, most)`th point of each layer. */
  draw(view: View, background: readonly [number, number, number], most?: number): void;
}

// widest stride of WebGL, 255 bytes, over the 8 of a place
const MOST_STEP = 31;

/** How far apart the points of a layer are of which about `most` are drawn. */
export function stepOf({ n }: Layer, most: number): number {
  return Math.min(Math.max(Math.ceil(n / most), 1), MOST_STEP);
}

/** Fit the drawing to the canvas as it is laid out; sharp on dense screens. */
export function fitCanvas(canvas: HTMLCanvasElement): number {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return ratio;
}
