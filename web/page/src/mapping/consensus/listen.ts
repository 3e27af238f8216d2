/** What cells of a query show of several atlases, and of which labels of theirs are which.
 *
 * Same as `runtime/mapping/consensus/listen.py` of the Python package.
 */

import type { CountBlock } from "../../sources/source";
import type { Answered } from "../annotate/annotator";
import { type Companion, opinionOf } from "./companion";
import { ofFirst, type Opinion } from "./joint";
import { jointLabels } from "./labels_alike";

export interface Heard {
  /** Mean probability of the labels of cells like an atlas, none for the others; first that of the
   * first atlas. */
  fits: number[];
  /** For each other atlas [joint labels, its labels], sums of products of probabilities over cells. */
  alike: Float64Array[];
}

/** Count in some cells what atlases say, and which labels those with each label have. */
export async function listen(
  blocks: AsyncIterable<CountBlock>,
  first: Companion,
  others: readonly Companion[],
): Promise<Heard> {
  const atlases = [first, ...others];
  const nJoint = jointLabels(atlases.map(({ manifest }) => manifest)).labels.length;
  const alike = others.map(({ manifest }) => new Float64Array(nJoint * manifest.labels.length));
  const sure = new Float64Array(atlases.length);
  let nCells = 0;
  for await (const block of blocks) {
    const encoded: Answered[] = [];
    for (const { encode } of atlases) encoded.push(await encode(block));
    // cells without counts in an atlas's genes say nothing
    const some = [...encoded[0].library.keys()].filter((cell) => encoded[0].library[cell] > 0);
    const said = atlases.map((one, at) => opinionOf(one, encoded[at]));
    said.forEach((opinion, at) => (sure[at] += surety(opinion, some)));
    const mine = ofFirst(said[0], nJoint);
    alike.forEach((total, at) => addProducts(total, mine, said[at + 1].prob, some, nJoint));
    nCells += some.length;
  }
  return { fits: Array.from(sure, (sum) => sum / Math.max(nCells, 1)), alike };
}

/** Sum of the best probabilities of cells like the atlas. */
function surety({ prob, novel }: Opinion, cells: readonly number[]): number {
  const width = prob.length / Math.max(novel.length, 1);
  const best = (cell: number) => prob.subarray(cell * width, (cell + 1) * width).reduce((a, b) => Math.max(a, b), 0);
  return cells.reduce((sum, cell) => sum + (novel[cell] ? 0 : best(cell)), 0);
}

function addProducts(
  total: Float64Array,
  mine: Float64Array,
  theirs: Float32Array,
  cells: readonly number[],
  nJoint: number,
): void {
  const width = total.length / nJoint;
  for (const cell of cells) {
    for (let one = 0; one < nJoint; one++) {
      const prob = mine[cell * nJoint + one];
      if (!prob) continue;
      for (let k = 0; k < width; k++) total[one * width + k] += prob * theirs[cell * width + k];
    }
  }
}
