/** Everything that adds columns to mapped cells, in the order of a result. */

import { clustersOf, graphOf } from "../../atlas/manifest";
import decisions from "../../decisions";
import type { Atlas } from "../atlas";
import type { Annotator } from "./annotator";
import { labelling } from "./labels";
import { novelty } from "./novelty";
import { quality } from "./quality";
import { clustering, placing } from "./structure";

const { columns } = decisions;

/** Where cells lie: the latent, and the place on the atlas's 2-D map. */
const latent: Annotator = ({ answers }) => {
  const matrix = (name: string, answer: string) => {
    const { width, data: values } = answers.get(answer)!;
    return { name, width, values };
  };
  return {
    columns: [],
    matrices: [matrix(columns.latent, "latent"), matrix(columns.umap, "umap")],
  };
};

/** `measuredShare` of the panel genes are in the query. */
export function annotators({ manifest, novelty: table }: Atlas, measuredShare: number): Annotator[] {
  const [clusters, graph] = [clustersOf(manifest), graphOf(manifest)];
  return [
    latent,
    ...(manifest.labels.length ? [labelling(manifest)] : []),
    novelty(table, manifest.thresholds.novelty_p, measuredShare),
    quality(manifest, measuredShare),
    ...(clusters.length ? [clustering(clusters)] : []),
    ...(clusters.length && graph ? [placing(graph)] : []),
  ];
}
