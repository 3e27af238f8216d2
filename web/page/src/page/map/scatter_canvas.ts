/** The scatter plot on a plain canvas, for browsers without WebGL 2. */

import { fitCanvas, type Layer, type Scatter, stepOf, type View } from "./canvas";

export class CanvasScatter implements Scatter {
  private layers: readonly Layer[] = [];

  constructor(private readonly canvas: HTMLCanvasElement) {}

  setLayers(layers: readonly Layer[]): void {
    this.layers = layers;
  }

  draw(view: View, background: readonly [number, number, number], most = Infinity): void {
    const { canvas } = this;
    const context = canvas.getContext("2d");
    if (!context) return;
    const ratio = fitCanvas(canvas);
    const { clientWidth: width, clientHeight: height } = canvas;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const page = `rgb(${background.join(" ")})`;
    context.fillStyle = page;
    context.fillRect(0, 0, width, height);
    for (const layer of this.layers) {
      const { places, colours, shapes, size, rim } = layer;
      const step = stepOf(layer, most);
      for (let i = 0; i < layer.n; i += step) {
        const x = (places[2 * i] - view.x) * view.scale + width / 2;
        const y = (view.y - places[2 * i + 1]) * view.scale + height / 2;
        if (x < -size || y < -size || x > width + size || y > height + size) continue;
        const [r, g, b, a] = colours.subarray(4 * i, 4 * i + 4);
        if (rim) {
          context.fillStyle = page;
          drawShape(context, shapes[i], x, y, size / 2);
        }
        context.fillStyle = `rgb(${r} ${g} ${b} / ${a / 255})`;
        drawShape(context, shapes[i], x, y, size / 2 - (rim ? 1.2 : 0));
      }
    }
  }
}

function drawShape(
  context: CanvasRenderingContext2D,
  shape: number,
  x: number,
  y: number,
  r: number,
): void {
  context.beginPath();
  if (shape === 1) context.rect(x - 0.78 * r, y - 0.78 * r, 1.56 * r, 1.56 * r);
  else if (shape === 2) polygon(context, [x, y - r, x + r, y, x, y + r, x - r, y]);
  else if (shape === 3 || shape === 4) {
    const up = shape === 3 ? r : -r;
    polygon(context, [x, y - up, x + 0.88 * r, y + 0.62 * up, x - 0.88 * r, y + 0.62 * up]);
  } else if (shape === 5) {
    context.rect(x - 0.88 * r, y - 0.34 * r, 1.76 * r, 0.68 * r);
    context.rect(x - 0.34 * r, y - 0.88 * r, 0.68 * r, 1.76 * r);
  } else context.arc(x, y, 0.88 * r, 0, 2 * Math.PI);
  context.fill();
}

function polygon(context: CanvasRenderingContext2D, points: readonly number[]): void {
  context.moveTo(points[0], points[1]);
  for (let i = 2; i < points.length; i += 2) context.lineTo(points[i], points[i + 1]);
  context.closePath();
}
