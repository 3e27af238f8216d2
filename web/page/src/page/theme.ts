/** Light, dark, or as the system says. */

import { h } from "./dom";
import type { Theme } from "./map/palette";

type Choice = "auto" | Theme;

const ORDER: Choice[] = ["auto", "light", "dark"];
const KEY = "cellport-theme";

export class ThemeSwitch {
  private choice: Choice;
  private readonly system = window.matchMedia("(prefers-color-scheme: dark)");

  constructor(
    private readonly button: HTMLButtonElement,
    private readonly changed: () => void,
  ) {
    const stored = remembered();
    this.choice = ORDER.find((choice) => choice === stored) ?? "auto";
    this.button.addEventListener("click", () => {
      this.choice = ORDER[(ORDER.indexOf(this.choice) + 1) % ORDER.length];
      remember(this.choice);
      this.apply();
    });
    this.system.addEventListener("change", () => this.apply());
    this.apply(false);
  }

  get theme(): Theme {
    if (this.choice !== "auto") return this.choice;
    return this.system.matches ? "dark" : "light";
  }

  private apply(tell = true): void {
    document.documentElement.dataset.theme = this.theme;
    this.button.replaceChildren(h("span", { class: "quiet" }, "Theme: "), this.choice);
    if (tell) this.changed();
  }
}

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage may be forbidden
  }
}

function remember(choice: Choice): void {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // then it holds until the page is closed
  }
}
