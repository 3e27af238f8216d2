/** What the dot is that a mouse points at, or the cross that keys move. */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import type { Results } from "../../mapping/results";
import { shareOf, short } from "../../words";
import { fill, h } from "../dom";
import { titleOf } from "../titles";
import { type Shading, UNLIKE } from "./colouring";
import type { Reference } from "./reference";

const { columns: names } = decisions;
const GAP = 14;

/** Lines of a query's cell: its name, its type and how sure, what it is coloured by. */
export function linesOfCell(results: Results, cell: number, shading: Shading | null): string[] {
  const call = results.category(results.call);
  const prob = results.float(names.prob)?.[cell];
  const sure = prob === undefined || Number.isNaN(prob) ? "" : ` (${shareOf(prob, 1)})`;
  const lines = [results.names[cell]];
  if (call) lines.push(`${call.categories[call.values[cell]]}${sure}`);
  if (results.flag(names.novel)?.[cell]) lines.push(UNLIKE);
  const joint = results.category(names.joint);
  if (joint) {
    const together = shareOf(results.float(names.joint_prob)![cell], 1);
    lines.push(`${titleOf(names.joint)}: ${joint.categories[joint.values[cell]]} (${together})`);
  }
  const said = new Set<string | undefined>([results.call, names.joint]);
  const shown = shading && !said.has(shading.column) ? valueOf(shading, cell) : "";
  if (shown) lines.push(`${shading!.title}: ${shown}`);
  return lines;
}

function valueOf(shading: Shading, cell: number): string {
  if (shading.kind === "number") return short(shading.values[cell]);
  return shading.categories[shading.codes[cell]] ?? "";
}

export function linesOfReference(reference: Reference, cell: number, { labels }: Manifest): string[] {
  const label = labels[reference.label[cell]];
  return [label ?? `no ${titleOf(names.label).toLowerCase()}`, "a cell of the atlas"];
}

export class Tip {
  private readonly element = h("div", { class: "tip", "aria-hidden": "true", hidden: true });

  constructor(private readonly stage: HTMLElement) {
    stage.append(this.element);
  }

  show([first, ...rest]: readonly string[], [px, py]: readonly [number, number]): void {
    const { element, stage } = this;
    fill(element, h("strong", {}, first), ...rest.map((line) => h("span", {}, line)));
    element.hidden = false;
    const room = stage.clientWidth - element.offsetWidth;
    const beside = px + GAP <= room ? px + GAP : px - GAP - element.offsetWidth;
    element.style.left = `${Math.max(0, Math.min(beside, room))}px`;
    element.style.top = `${Math.max(0, Math.min(py + GAP, stage.clientHeight - element.offsetHeight))}px`;
  }

  hide(): void {
    this.element.hidden = true;
  }
}
