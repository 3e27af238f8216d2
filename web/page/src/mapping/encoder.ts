/** What encodes the cells of one query on one atlas. */

import { answersOf } from "../atlas/arrays";
import { type Manifest, refusal } from "../atlas/manifest";
import type { Answers } from "../atlas/session";
import decisions from "../decisions";
import type { CountBlock } from "../sources/source";
import type { Answered } from "./annotate/annotator";
import type { Atlas } from "./atlas";
import type { Coverage } from "./coverage";
import { type CellFeatures, linearFeatures, type QueryBasis } from "./features";
import { asSureAsItsGenes } from "./information";

/** What is known of a query once its genes are matched. */
export interface Matched {
  basis: QueryBasis;
  coverage: Coverage;
}

export interface Encoded extends Answered {
  features: CellFeatures;
}

export type Encode = (block: CountBlock) => Promise<Encoded>;

/** What takes blocks of the query's counts to every answer of the atlas. */
export function encoderOf({ basis, coverage }: Matched, { manifest, tail }: Atlas): Encode {
  const power = manifest.head.calibration.information_power;
  const information = coverage.ofLabels ? coverage.share : 1;
  return async (block) => {
    const features = linearFeatures(basis, block);
    const found = await tail.run(features.features);
    checkAnswers(found, manifest, block.nCells);
    const answers = asSureAsItsGenes(found, information, power);
    return { answers, library: features.library, features };
  };
}

/** Refuse an encoder that does not answer what the manifest says. */
function checkAnswers(answers: Answers, manifest: Manifest, cells: number): void {
  for (const [answer, shape] of answersOf(manifest)) {
    const found = answers.get(answer);
    if (found?.width === shape.reduce((n, extent) => n * extent, 1)) continue;
    const what = found ? `of shape [${[cells, found.width].join(", ")}]` : "missing";
    throw refusal(decisions.format.other_answer, { atlas: manifest.name, answer, cells, found: what });
  }
}
