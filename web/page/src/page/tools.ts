/** Buttons above and on the map, and how it is to look. */

import { fill, h } from "./dom";
import type { Look, Stage } from "./map/stage";

export interface Tools {
  lasso: HTMLButtonElement;
  /** Offer what there is to show. */
  refresh(): void;
}

export interface ToolActions {
  /** The map is to look otherwise. */
  looks(): void;
  savePng(): void;
  saveSvg(): void;
}

export function addTools(above: HTMLElement, inside: HTMLElement, stage: Stage, actions: ToolActions): Tools {
  const { map } = stage;
  const lasso = h("button", { type: "button", id: "lasso", "aria-pressed": "false" }, "Draw round cells");
  lasso.title = "Draw a line round cells to see what they are";
  lasso.disabled = true;
  lasso.addEventListener("click", () => (map.drawing = !map.drawing));
  map.drawingChanged = (on) => lasso.setAttribute("aria-pressed", String(on));
  const panel = h("div", { class: "panel" });
  const menu = h("details", { class: "menu", id: "view" }, h("summary", {}, "View"), panel);
  shutOutside(menu);
  above.append(h("span", { class: "spacer" }), menu, lasso);
  const button = (text: string, label: string, act: () => void) =>
    h("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  inside.append(
    button("+", "Zoom in", () => map.zoom(1.4)),
    button("−", "Zoom out", () => map.zoom(1 / 1.4)),
    button("⤢", "Show all", () => map.reset()),
  );
  const change = (look: Partial<Look>) => {
    stage.look = { ...stage.look, ...look };
    actions.looks();
  };
  const refresh = () => fill(panel, ...choices(stage, change), ...pictures(actions));
  refresh();
  return { lasso, refresh };
}

function choices(stage: Stage, change: (look: Partial<Look>) => void): HTMLElement[] {
  const { look } = stage;
  const box = (id: "names" | "reference" | "trajectory", text: string) => {
    const input = h("input", { type: "checkbox", id: `show-${id}` });
    input.checked = look[id];
    input.addEventListener("change", () => change({ [id]: input.checked }));
    return h("label", {}, input, ` ${text}`);
  };
  const size = h("input", { type: "range", id: "size", min: 0.5, max: 2.5, step: 0.1, value: look.size });
  size.addEventListener("input", () => change({ size: Number(size.value) }));
  return [
    box("names", "Names"),
    box("reference", "Cells of the atlas"),
    ...(stage.hasCourses ? [box("trajectory", "Trajectory")] : []),
    h("label", {}, "Size of dots", size),
  ];
}

function pictures({ savePng, saveSvg }: ToolActions): HTMLElement[] {
  return [
    h("button", { type: "button", id: "png", onclick: savePng }, "Save picture (PNG)"),
    h("button", { type: "button", id: "svg", onclick: saveSvg }, "Save picture (SVG)"),
  ];
}

/** A menu shuts when something else is pressed, and on Escape. */
function shutOutside(menu: HTMLDetailsElement): void {
  window.addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !menu.contains(target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
}
