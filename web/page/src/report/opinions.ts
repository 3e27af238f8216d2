/** What several atlases say of the same cells, counted.
 *
 * Same as `runtime/mapping/gather/opinions.py` of the Python package.
 */

import decisions from "../decisions";
import { ofAtlas } from "../mapping/columns";
import type { Consulted } from "../mapping/consensus/annotate";
import type { Alike } from "../mapping/consensus/told";
import type { Results } from "../mapping/results";

const { columns, consensus } = decisions;

/** Cells that an atlas says something else of than all together. */
export interface Disagreement {
  atlas: string;
  joint: string;
  label: string;
  cells: number;
}

export interface Opinions {
  /** Number of atlases. */
  asked: number;
  /** Cells of which all of them speak for the joint label, and all cells. */
  agreeing: number;
  cells: number;
  /** Those that most cells are of, most first. */
  disagreements: Disagreement[];
  /** Labels of which the cells showed what they are to those of the first atlas. */
  alike: (Alike & { atlas: string })[];
}

export function opinionsOf(results: Results, { also, labelsAlike }: Consulted): Opinions {
  const asked = also.length + 1;
  const agreement = results.float(columns.agreement)!;
  const pairs = also.flatMap(({ name }) => disagreementsOf(results, name, labelsAlike[name]));
  return {
    asked,
    agreeing: agreement.reduce((sum, share) => sum + Number(Math.round(share * asked) === asked), 0),
    cells: results.done,
    disagreements: pairs.sort((a, b) => b.cells - a.cells).slice(0, consensus.most_pairs.value),
    alike: also.flatMap(({ name: atlas }) =>
      labelsAlike[atlas].filter(({ by }) => by === consensus.by_cells).map((one) => ({ ...one, atlas })),
    ),
  };
}

/** Pairs of a joint label and another that an atlas gives, but those that are no contradiction. */
function disagreementsOf(results: Results, atlas: string, alike: readonly Alike[]): Disagreement[] {
  const joint = results.category(columns.joint)!;
  const label = results.category(ofAtlas(columns.label, atlas))!;
  const width = label.categories.length;
  const cells = new Int32Array(joint.categories.length * width);
  joint.values.forEach((code, cell) => cells[code * width + label.values[cell]]++);
  const none = new Set(alike.flatMap(({ label, to }) => to.map((one) => JSON.stringify([one, label]))));
  return [...cells.keys()]
    .filter((at) => cells[at])
    .map((at) => ({
      atlas,
      joint: joint.categories[Math.floor(at / width)],
      label: label.categories[at % width],
      cells: cells[at],
    }))
    .filter((one) => one.joint !== one.label && !none.has(JSON.stringify([one.joint, one.label])));
}
