/** Everything that adds columns to mapped cells, in the order of a result. */

import { clustersOf, graphOf, hasReference, type Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import type { Atlas } from "../atlas";
import type { Annotator } from "./annotator";
import type { GroupVotes } from "./groups";
import { labelling } from "./labels";
import { novelty } from "./novelty";
import { probabilities } from "./probabilities";
import { quality } from "./quality";
import { judgesEach, several } from "./several";
import { clustering, placing } from "./structure";
import { termed } from "./terms";

const { columns } = decisions;

/** Where cells lie: the latent, and the place on the atlas's 2-D map where it has one. */
function placed(manifest: Manifest): Annotator {
  const named = [[columns.latent, "latent"]];
  if (hasReference(manifest)) named.push([columns.umap, "umap"]);
  return ({ answers }) => ({
    columns: [],
    matrices: named.map(([name, answer]) => {
      const { width, data: values } = answers.get(answer)!;
      return { name, width, values };
    }),
  });
}

export interface Asked {
  severalLabels: boolean;
  probabilities: boolean;
  cellOntology: boolean;
  /** Null where no groups are asked for. */
  votes: GroupVotes | null;
}

/** The panel genes that a query has. */
export interface Measured {
  share: number;
  /** Whether cells can be judged by them. */
  enough: boolean;
}

export function annotators(
  { manifest, novelty: table }: Atlas,
  measured: Measured,
  { severalLabels, probabilities: all, cellOntology, votes }: Asked,
): Annotator[] {
  const [clusters, graph] = [clustersOf(manifest), graphOf(manifest)];
  return [
    placed(manifest),
    ...(manifest.labels.length ? [labelling(manifest)] : []),
    ...(severalLabels && judgesEach(manifest) ? [several(manifest)] : []),
    ...(all ? [probabilities(manifest)] : []),
    ...(cellOntology ? [termed(manifest)] : []),
    ...(votes ? [votes.annotate] : []),
    ...(table ? [novelty(table, manifest.thresholds.novelty_p, measured.share)] : []),
    quality(manifest, measured.enough),
    ...(clusters.length ? [clustering(clusters)] : []),
    ...(clusters.length && graph ? [placing(graph)] : []),
  ];
}
