/** All labels whose probability is above one half, when asked for: several, one or none.
 *
 * Same as `runtime/mapping/annotate/beside_label/several.py` of the Python package.
 */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import { type Annotator, rowOf } from "./annotator";
import { joinable } from "./labels";

const { columns, values } = decisions;

/** Whether an atlas judges each label by itself, so that several can be above one half. */
export function judgesEach({ head }: Pick<Manifest, "head">): boolean {
  return head.kind === "sigmoids";
}

/** Every label with log-odds above 0, the most probable first. */
export function several({ labels }: Manifest): Annotator {
  const names = labels.map(joinable);
  // texts met so far; blocks name them by position
  const met = new Map<string, number>([[values.unassigned.value, 0]]);

  function aboveHalf(score: Float32Array): number {
    const above = labels.map((_, label) => label).filter((label) => score[label] > 0);
    if (!above.length) return 0;
    above.sort((a, b) => score[b] - score[a]);
    const text = above.map((label) => names[label]).join(values.joined_by);
    if (!met.has(text)) met.set(text, met.size);
    return met.get(text)!;
  }

  return ({ answers, library }) => {
    const codes = Int32Array.from(library, (counts, cell) =>
      counts > 0 ? aboveHalf(rowOf(answers, "label_score", cell)) : 0,
    );
    const categories = [...met.keys()];
    const name = columns.several_labels;
    return { columns: [{ name, kind: "category", categories, values: codes, free: true }] };
  };
}
