/** Buttons above and on the map. */

import { h } from "./dom";
import type { MapView } from "./map/map_view";

export interface Tools {
  lasso: HTMLButtonElement;
  trajectory: HTMLButtonElement;
}

export function addTools(above: HTMLElement, inside: HTMLElement, map: MapView): Tools {
  const trajectory = toggle("trajectory", "Trajectory", true, (on) => {
    document.body.classList.toggle("no-trajectory", !on);
  });
  trajectory.title = "Show or hide the paths from type to type";
  const lasso = toggle("lasso", "Draw round cells", false, (on) => (map.drawing = on));
  lasso.title = "Draw a line round cells to see what they are";
  lasso.disabled = true;
  map.drawingChanged = (on) => press(lasso, on);
  above.append(h("span", { class: "spacer" }), trajectory, lasso);
  const button = (text: string, label: string, act: () => void) =>
    h("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  inside.append(
    button("+", "Zoom in", () => map.zoom(1.4)),
    button("−", "Zoom out", () => map.zoom(1 / 1.4)),
    button("⤢", "Show all", () => map.reset()),
  );
  return { lasso, trajectory };
}

function toggle(
  id: string,
  text: string,
  on: boolean,
  changed: (on: boolean) => void,
): HTMLButtonElement {
  const button = h("button", { type: "button", id }, text);
  press(button, on);
  button.addEventListener("click", () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    press(button, now);
    changed(now);
  });
  return button;
}

function press(button: HTMLButtonElement, on: boolean): void {
  button.setAttribute("aria-pressed", String(on));
}
