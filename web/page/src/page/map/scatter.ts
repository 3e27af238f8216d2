/** Drawing many points: WebGL where there is one, a plain canvas elsewhere. */

import type { Scatter } from "./canvas";
import { CanvasScatter } from "./scatter_canvas";
import { openWebgl } from "./scatter_webgl";

export function openScatter(canvas: HTMLCanvasElement): Scatter {
  return openWebgl(canvas) ?? new CanvasScatter(canvas);
}
