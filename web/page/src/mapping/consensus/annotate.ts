/** Columns of other atlases, and of what all atlases say together.
 *
 * Same as `runtime/mapping/consensus/annotate.py` of the Python package.
 */

import decisions from "../../decisions";
import type { CountBlock } from "../../sources/source";
import { argmax, type Answered } from "../annotate/annotator";
import { ofAtlas, type ResultColumn } from "../columns";
import { type Companion, opinionOf } from "./companion";
import { evidence, ofFirst, together, translation } from "./joint";
import { jointLabels } from "./labels_alike";
import type { Heard } from "./listen";
import { type Alike, alikeInWords } from "./told";

const { columns: names, values } = decisions;
const OWN = new Set<string>([names.label, names.prob, names.novel]);

/** What a result says of the other atlases that were asked. */
export interface Consulted {
  also: { name: string; sha256: string; fit: number }[];
  /** Which of the labels of each are which of the first atlas's, by its name. */
  labelsAlike: Record<string, Alike[]>;
}

export interface Consensus extends Consulted {
  /** What the user should know before cells are mapped, a sentence each. */
  notes: string[];
  /** Columns of a block of cells, of which the first atlas said something. */
  annotate(block: CountBlock, first: Answered): Promise<ResultColumn[]>;
}

/** Say what other atlases and all together say of each cell; `heard` is what the query showed of them. */
export function consensus(first: Companion, others: readonly Companion[], { fits, alike }: Heard): Consensus {
  const { labels: joint, places } = jointLabels([first, ...others].map(({ manifest }) => manifest));
  const { labels: own } = first.manifest;
  const how = others.map((_, at) => translation(alike[at], places[at + 1], own.length));
  const told = others.map(({ name, manifest }, at): [string, Alike[]] => [
    name,
    alikeInWords(alike[at], places[at + 1], own, manifest.labels),
  ]);

  async function annotate(block: CountBlock, cells: Answered): Promise<ResultColumn[]> {
    const columns: ResultColumn[] = [];
    const words: Float64Array[] = [];
    for (const [at, one] of others.entries()) {
      const theirs = await one.encode(block);
      const opinion = opinionOf(one, theirs);
      columns.push(...columnsOf(one, theirs));
      words.push(evidence(opinion, how[at]));
    }
    const said = ofFirst(opinionOf(first, cells), joint.length);
    const prob = together(said, words, fits, joint.length);
    return [...columns, ...jointColumns(joint, prob, said, words, cells.library)];
  }

  return {
    also: others.map(({ name, manifest }, at) => ({ name, sha256: manifest.sha256, fit: Number(fits[at + 1].toFixed(4)) })),
    labelsAlike: Object.fromEntries(told),
    notes: others.flatMap(({ notes }) => notes),
    annotate,
  };
}

/** What stands of another atlas beside what all say together. */
function columnsOf(one: Companion, cells: Answered): ResultColumn[] {
  const all = [...one.labels(cells).columns, ...(one.novelty?.(cells).columns ?? [])];
  const own = all.filter(({ name }) => OWN.has(name));
  return own.map((column) => ({ ...column, name: ofAtlas(column.name, one.name) }));
}

/** The joint label, its probability, and the share of the atlases that speak for it. */
function jointColumns(
  joint: readonly string[],
  prob: Float64Array,
  said: Float64Array,
  words: readonly Float64Array[],
  library: Float64Array,
): ResultColumn[] {
  const n = joint.length;
  const label = new Int32Array(library.length).fill(n);
  const [sure, agreement] = [new Float32Array(library.length), new Float32Array(library.length)];
  library.forEach((counts, cell) => {
    if (counts <= 0) return;
    const row = (matrix: Float64Array) => matrix.subarray(cell * n, (cell + 1) * n);
    const best = argmax(row(prob));
    label[cell] = best;
    sure[cell] = row(prob)[best];
    // one with coarser labels agrees where it makes the joint one more probable
    const agreeing = words.filter((one) => row(one)[best] > 1).length + Number(argmax(row(said)) === best);
    agreement[cell] = agreeing / (words.length + 1);
  });
  return [
    { name: names.joint, kind: "category", categories: [...joint, values.unknown], values: label },
    { name: names.joint_prob, kind: "float", values: sure },
    { name: names.agreement, kind: "float", values: agreement },
  ];
}
