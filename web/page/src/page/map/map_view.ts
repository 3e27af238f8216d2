/** The map: panning, zooming, pointing at a cell and drawing round some. */

import type { Layer, Place, Scatter, View } from "./canvas";
import type { Rgb } from "./palette";
import { openScatter } from "./scatter";

export interface MapListener {
  /** Cells inside a line that was drawn. */
  surrounded(inside: (x: number, y: number) => boolean): void;
  /** A click, with how far away a cell may be, both on the map. */
  clicked(x: number, y: number, reach: number): void;
  /** The selection is to be given up. */
  cleared(): void;
  /** Something points at the map: a mouse, or the cross in the middle that keys move. */
  pointed(x: number, y: number, reach: number): void;
  /** Nothing points at it any more. */
  left(): void;
  /** It was drawn; `place` says where a point of the map is on the screen. */
  drawn(place: Place): void;
}

const REACH = 12;
const MARGIN = 0.92;
const STEP = 60;
const MOST_ZOOM = 60;
// points that are drawn while the map moves, so that it follows; all of them once it rests
const MOVING_POINTS = 100_000;
const REST_MS = 250;

export class MapView {
  private readonly scatter: Scatter;
  private readonly lasso: SVGPolylineElement;
  private view: View = { x: 0, y: 0, scale: 1 };
  private home: View = { x: 0, y: 0, scale: 1 };
  private bounds: [number, number, number, number] = [-1, -1, 1, 1];
  private background: Rgb = [255, 255, 255];
  private pointers = new Map<number, [number, number]>();
  private line: [number, number][] = [];
  private moved = false;
  private asked = false;
  private moving = false;
  private resting: number | undefined;
  private drawing_ = false;
  /** Told when `drawing` is set. */
  drawingChanged: (on: boolean) => void = () => undefined;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    overlay: SVGSVGElement,
    private readonly listener: MapListener,
  ) {
    this.scatter = openScatter(canvas);
    this.lasso = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    this.lasso.setAttribute("class", "lasso");
    overlay.append(this.lasso);
    canvas.addEventListener("pointerdown", this.down);
    canvas.addEventListener("pointermove", this.move);
    canvas.addEventListener("pointerup", this.up);
    canvas.addEventListener("pointercancel", this.up);
    canvas.addEventListener("pointerleave", () => listener.left());
    canvas.addEventListener("blur", () => listener.left());
    canvas.addEventListener("wheel", this.wheel, { passive: false });
    canvas.addEventListener("keydown", this.key);
    new ResizeObserver(() => this.resized()).observe(canvas);
  }

  /** Whether dragging draws a line round cells instead of moving the map. */
  get drawing(): boolean {
    return this.drawing_;
  }

  set drawing(on: boolean) {
    this.drawing_ = on;
    this.canvas.classList.toggle("drawing", on);
    this.drawingChanged(on);
  }

  show(layers: readonly Layer[], background: Rgb): void {
    this.background = background;
    this.scatter.setLayers(layers);
    this.redraw();
  }

  /** Show all of these places. */
  fit(places: readonly Float32Array[]): void {
    let [left, low, right, high] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const part of places) {
      for (let i = 0; i < part.length; i += 2) {
        left = Math.min(left, part[i]);
        right = Math.max(right, part[i]);
        low = Math.min(low, part[i + 1]);
        high = Math.max(high, part[i + 1]);
      }
    }
    if (left <= right) this.bounds = [left, low, right, high];
    this.computeHome();
    this.reset();
  }

  reset(): void {
    this.view = { ...this.home };
    this.redraw();
  }

  zoom(factor: number, px = this.canvas.clientWidth / 2, py = this.canvas.clientHeight / 2): void {
    const [x, y] = this.onMap(px, py);
    const scale = Math.min(
      Math.max(this.view.scale * factor, this.home.scale / 2),
      this.home.scale * MOST_ZOOM,
    );
    const kept = this.view.scale / scale;
    this.view = { x: x + (this.view.x - x) * kept, y: y + (this.view.y - y) * kept, scale };
    this.follow();
  }

  redraw(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.scatter.draw(this.view, this.background, this.moving ? MOVING_POINTS : Infinity);
      this.listener.drawn((x, y) => this.onScreen(x, y));
    });
  }

  /** Draw all points at once, as they are to be saved. */
  drawWhole(): void {
    this.moving = false;
    this.scatter.draw(this.view, this.background);
  }

  /** Draw a map that is being moved: with fewer of many points, until it rests. */
  private follow(): void {
    this.moving = true;
    clearTimeout(this.resting);
    this.resting = window.setTimeout(() => {
      this.moving = false;
      this.redraw();
    }, REST_MS);
    this.redraw();
  }

  private computeHome(): void {
    const [left, low, right, high] = this.bounds;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = MARGIN * Math.min(width / (right - left || 1), height / (high - low || 1));
    this.home = { x: (left + right) / 2, y: (low + high) / 2, scale: scale || 1 };
  }

  private resized(): void {
    const zoomed = this.view.scale / this.home.scale;
    this.computeHome();
    this.view = { ...this.view, scale: this.home.scale * zoomed };
    if (Math.abs(zoomed - 1) < 1e-6) this.view = { ...this.home };
    this.redraw();
  }

  private onMap(px: number, py: number): [number, number] {
    const { view, canvas } = this;
    return [
      view.x + (px - canvas.clientWidth / 2) / view.scale,
      view.y - (py - canvas.clientHeight / 2) / view.scale,
    ];
  }

  onScreen(x: number, y: number): [number, number] {
    const { view, canvas } = this;
    return [
      (x - view.x) * view.scale + canvas.clientWidth / 2,
      (view.y - y) * view.scale + canvas.clientHeight / 2,
    ];
  }

  private readonly down = (event: PointerEvent): void => {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.moved = false;
    this.line = this.drawing ? [[event.offsetX, event.offsetY]] : [];
  };

  private readonly move = (event: PointerEvent): void => {
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.point(event);
    const now: [number, number] = [event.offsetX, event.offsetY];
    if (!this.moved && Math.hypot(now[0] - before[0], now[1] - before[1]) < 3) return;
    this.moved = true;
    if (this.pointers.size === 2) this.pinch(event.pointerId, now);
    else if (this.drawing) {
      this.line.push(now);
      this.lasso.setAttribute("points", this.line.map((point) => point.join(",")).join(" "));
    } else {
      this.view.x -= (now[0] - before[0]) / this.view.scale;
      this.view.y += (now[1] - before[1]) / this.view.scale;
      this.follow();
    }
    this.pointers.set(event.pointerId, now);
  };

  private point({ pointerType, offsetX, offsetY }: PointerEvent): void {
    if (pointerType === "touch") return;
    const [x, y] = this.onMap(offsetX, offsetY);
    this.listener.pointed(x, y, REACH / this.view.scale);
  }

  /** Whether a place of the map is in sight. */
  private readonly inSight = (x: number, y: number): boolean => {
    const [px, py] = this.onScreen(x, y);
    return px >= 0 && py >= 0 && px <= this.canvas.clientWidth && py <= this.canvas.clientHeight;
  };

  private readonly up = (event: PointerEvent): void => {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.drawing && this.line.length > 2) {
      const outline = this.line.map(([px, py]) => this.onMap(px, py));
      this.listener.surrounded((x, y) => isInside(outline, x, y));
    } else if (!this.moved && event.type === "pointerup") {
      const [x, y] = this.onMap(event.offsetX, event.offsetY);
      this.listener.clicked(x, y, REACH / this.view.scale);
    }
    this.line = [];
    this.lasso.setAttribute("points", "");
  };

  private pinch(id: number, now: [number, number]): void {
    const other = [...this.pointers].find(([key]) => key !== id)![1];
    const before = this.pointers.get(id)!;
    const far = (point: [number, number]) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    this.zoom(far(now) / Math.max(1, far(before)), other[0], other[1]);
  }

  private readonly wheel = (event: WheelEvent): void => {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
  };

  private readonly key = (event: KeyboardEvent): void => {
    const step = STEP / this.view.scale;
    const moves: Record<string, () => void> = {
      ArrowLeft: () => (this.view.x -= step),
      ArrowRight: () => (this.view.x += step),
      ArrowUp: () => (this.view.y += step),
      ArrowDown: () => (this.view.y -= step),
      "+": () => this.zoom(1.3),
      "=": () => this.zoom(1.3),
      "-": () => this.zoom(1 / 1.3),
      "0": () => this.reset(),
      Escape: () => {
        this.drawing = false;
        this.listener.cleared();
      },
      a: () => this.listener.surrounded(this.inSight),
      Enter: () => this.listener.clicked(this.view.x, this.view.y, REACH / this.view.scale),
    };
    const act = moves[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
    this.listener.pointed(this.view.x, this.view.y, REACH / this.view.scale);
    this.follow();
  };
}

/** Whether a point lies inside an outline (even-odd rule). */
export function isInside(outline: readonly [number, number][], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
    const [xi, yi] = outline[i];
    const [xj, yj] = outline[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
