/** Warnings in plain words, and the groups of cells unlike the atlas. */

import type { NovelGroup } from "../mapping/novel_groups";
import { fill, h } from "./dom";

export function showNotes(
  element: HTMLElement,
  notes: readonly string[],
  groups: readonly NovelGroup[],
  select: (group: NovelGroup) => void,
): void {
  element.hidden = !notes.length && !groups.length;
  fill(
    element,
    h("h2", { id: "notes-title" }, "To look at first"),
    h(
      "ul",
      { class: "cautions" },
      ...groups.map((group) =>
        h(
          "li",
          {},
          `${group.sentence} `,
          h("button", { type: "button", class: "link", onclick: () => select(group) }, "Show them"),
        ),
      ),
      ...notes.map((note) => h("li", {}, note)),
    ),
  );
}
