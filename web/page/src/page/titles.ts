/** Names of the answers as people read them. */

const TITLES: Record<string, string> = {
  cellport_call: "Cell type",
  cellport_label: "Best guess, however unsure",
  cellport_prob: "Confidence",
  cellport_label_set: "Possible types",
  cellport_novelty_p: "Novelty p",
  cellport_novel: "Unlike the atlas",
  cellport_qc: "Quality",
  cellport_cluster: "Cluster",
  cellport_pseudotime: "Pseudotime",
  cellport_pseudotime_sd: "Pseudotime, standard deviation",
  cellport_edge: "Edge of the trajectory",
  cellport_edge_fraction: "Way along the edge",
};

export function titleOf(name: string): string {
  const plain = name.replace("cellport_", "").replaceAll("_", " ");
  return TITLES[name] ?? plain[0].toUpperCase() + plain.slice(1);
}
