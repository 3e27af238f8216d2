/** Whether a query has enough of an atlas's genes to be judged by. */

import type { Manifest } from "../atlas/manifest";
import decisions, { say } from "../decisions";
import type { GeneMatch } from "../genes/match";
import type { Atlas } from "./atlas";
import { labelInformation } from "./information";

export interface Coverage {
  /** Of what tells labels apart, or of the panel genes. */
  share: number;
  /** Whether it is the former. */
  ofLabels: boolean;
  enough: boolean;
  /** A sentence where it is not; null where it is. */
  note: string | null;
}

/** Whether an atlas judges genes by what they tell, not by their number. */
export function weighsGenes({ fill, head }: Manifest): boolean {
  return fill === "factors" && head.calibration.information_power > 0;
}

export function coverageOf(genes: GeneMatch, atlas: Atlas, source: string): Coverage {
  const { manifest } = atlas;
  const { measured, nMatched: matched } = genes;
  const panel = measured.length;
  const needed = manifest.thresholds.low_gene_coverage;
  const ofLabels = weighsGenes(manifest);
  const share = ofLabels
    ? labelInformation(atlas.panel, measured, manifest.labels.length)
    : matched / panel;
  const said = ofLabels ? decisions.genes.weak : decisions.genes.few;
  const enough = share >= needed;
  const note = enough ? null : say(said, { matched, panel, share, enough: needed, source });
  return { share, ofLabels, enough, note };
}
