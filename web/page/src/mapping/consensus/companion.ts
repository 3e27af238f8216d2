/** An atlas that is heard with others on the cells of a query.
 *
 * Same as `runtime/mapping/consensus/companion.py` of the Python package.
 */

import type { Manifest } from "../../atlas/manifest";
import decisions, { say } from "../../decisions";
import { InputError } from "../../errors";
import type { Annotator, Answered } from "../annotate/annotator";
import { best } from "../annotate/labels";
import { novelty } from "../annotate/novelty";
import type { Atlas } from "../atlas";
import { type Encode, encoderOf, type Matched } from "../encoder";
import type { GeneMatch } from "../../genes/match";
import type { Opinion } from "./joint";

/** A query as one of the atlases has it. */
export interface OfAtlas extends Matched {
  atlas: Atlas;
  genes: GeneMatch;
}

export interface Companion {
  /** After which its columns are called. */
  name: string;
  manifest: Manifest;
  /** What the user should know of its genes in the query, a sentence each. */
  notes: string[];
  encode: Encode;
  labels: Annotator;
  /** Tells cells unlike it, where it can. */
  novelty: Annotator | null;
}

/** Refuse an atlas that cannot be heard with others. */
export function refuseUnheard({ name: atlas, head }: Manifest): void {
  if (head.kind !== "softmax") throw new InputError(say(decisions.consensus.no_probabilities, { atlas }));
}

/** Prepare what an atlas says of the cells of a query. */
export function companion(name: string, query: OfAtlas): Companion {
  const { atlas, genes, coverage } = query;
  const { manifest } = atlas;
  refuseUnheard(manifest);
  const share = genes.nMatched / genes.measured.length;
  return {
    name,
    manifest,
    notes: coverage.note === null ? [] : [say(decisions.consensus.note, { atlas: name, note: coverage.note })],
    encode: encoderOf(query, atlas),
    labels: best(manifest),
    novelty: atlas.novelty && novelty(atlas.novelty, manifest.thresholds.novelty_p, share),
  };
}

/** What is heard of it. */
export function opinionOf({ novelty }: Companion, cells: Answered): Opinion {
  const { data: prob } = cells.answers.get("label_prob")!;
  const flags = novelty?.(cells).columns.find(({ name }) => name === decisions.columns.novel);
  const novel = flags?.kind === "bool" ? flags.values : new Uint8Array(cells.library.length);
  return { prob, novel };
}
