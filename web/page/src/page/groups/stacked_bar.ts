/** One bar whose parts are types, in their colours on the map. */

import { grouped, shareOf } from "../../words";
import { h } from "../dom";
import { css, type Mark } from "../map/palette";

export interface Part {
  name: string;
  cells: number;
}

export function stackedBar(parts: readonly Part[], all: number, marks: ReadonlyMap<string, Mark>): HTMLElement {
  const shown = parts.flatMap(({ name, cells }) => {
    if (!cells) return [];
    const mark = marks.get(name);
    const title = `${name}: ${grouped(cells)} (${shareOf(cells, all)})`;
    const part = h("i", { class: `s${mark?.shape ?? 0}`, title });
    part.style.width = `${(100 * cells) / all}%`;
    if (mark) part.style.backgroundColor = css(mark.colour);
    return [part];
  });
  return h("span", { class: "stacked", "aria-hidden": "true" }, ...shown);
}
