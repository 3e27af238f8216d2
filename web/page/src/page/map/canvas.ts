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
  draw(view: View, background: readonly [number, number, number]): void;
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
