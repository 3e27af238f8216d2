/** A question mark that opens a sentence: by mouse, by touch, and with the keyboard. */

import { byId, h } from "../dom";

// a pointer that only passes by opens nothing, and one on its way to the text does not close it
const REST_MS = 250;
const GAP = 8;

/** The sentence that is open, of all on the page. */
let open: { button: HTMLButtonElement; bubble: HTMLElement; pinned: boolean } | null = null;
let resting = 0;

/** A button that shows what `name` means. */
export function questionMark(name: string, text: string): HTMLButtonElement {
  const button = h(
    "button",
    { type: "button", class: "what", "aria-label": `What is ${name}?`, "aria-expanded": "false" },
    h("span", { "aria-hidden": "true" }, "?"),
  );
  button.addEventListener("click", () => {
    const again = open?.button === button && open.pinned;
    close();
    if (!again) show(button, text, true);
  });
  button.addEventListener("pointerenter", ({ pointerType }) => {
    if (pointerType === "mouse" && open?.button !== button) soon(() => show(button, text, false));
  });
  button.addEventListener("pointerleave", leave);
  return button;
}

function show(button: HTMLButtonElement, text: string, pinned: boolean): void {
  close();
  const bubble = h("span", { class: "bubble", popover: "manual", onpointerleave: leave }, text);
  bubble.addEventListener("pointerenter", () => clearTimeout(resting));
  // behind its button, where who reads the page by ear comes next
  button.after(bubble);
  button.setAttribute("aria-expanded", "true");
  bubble.showPopover?.();
  open = { button, bubble, pinned };
  place();
  if (pinned) byId("live").textContent = text;
}

export function close(): void {
  clearTimeout(resting);
  if (!open) return;
  open.button.setAttribute("aria-expanded", "false");
  open.bubble.remove();
  open = null;
}

function leave(): void {
  clearTimeout(resting);
  if (open && !open.pinned) soon(close);
}

function soon(act: () => void): void {
  clearTimeout(resting);
  resting = window.setTimeout(act, REST_MS);
}

/** Below the question mark, or above where there is no room. */
function place(): void {
  if (!open) return;
  const { button, bubble } = open;
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = bubble;
  const room = document.documentElement.clientWidth - width - GAP;
  bubble.style.left = `${Math.max(GAP, Math.min(at.left + at.width / 2 - width / 2, room))}px`;
  const below = at.bottom + GAP / 2;
  const fits = below + height + GAP <= window.innerHeight;
  bubble.style.top = `${fits ? below : Math.max(GAP, at.top - height - GAP / 2)}px`;
}

// before the map, which lets its selection go on Escape
window.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Escape" || !open) return;
    event.stopPropagation();
    close();
  },
  true,
);
window.addEventListener("pointerdown", ({ target }) => {
  const inside = target instanceof Node && (open?.button.contains(target) || open?.bubble.contains(target));
  if (!inside) close();
});
window.addEventListener("scroll", place, { capture: true, passive: true });
window.addEventListener("resize", place);
