/** Names of the answers as people read them. */

import decisions from "../decisions";

const { columns } = decisions;
const TITLES: Record<string, string> = {
  [columns.call]: "Cell type",
  [columns.label]: "Best guess, however unsure",
  [columns.prob]: "Confidence",
  [columns.distance]: "Distance to the prototype",
  [columns.label_set]: "Possible types",
  [columns.several_labels]: "All types above one half",
  [columns.group]: "Group",
  [columns.group_label]: "Type of most cells of the group",
  [columns.group_share]: "Share of the group of that type",
  [columns.novelty_p]: "Novelty p",
  [columns.novel]: "Unlike the atlas",
  [columns.quality]: "Quality",
  [columns.cluster]: "Cluster",
  [columns.pseudotime]: "Pseudotime",
  [columns.pseudotime_sd]: "Pseudotime, standard deviation",
  [columns.edge]: "Edge of the trajectory",
  [columns.edge_fraction]: "Way along the edge",
};

export function titleOf(name: string): string {
  const plain = name.replace("cellport_", "").replaceAll("_", " ");
  return TITLES[name] ?? plain[0].toUpperCase() + plain.slice(1);
}
