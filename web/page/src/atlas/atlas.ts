/** An atlas opened for mapping. */

import type { LayerArrays } from "../mapping/first_layer";
import { noveltyTable, type NoveltyTable } from "../mapping/novelty";
import { Tail } from "../mapping/tail";
import type { Manifest } from "./manifest";
import type { Parts } from "./parts";

export interface Atlas {
  manifest: Manifest;
  layer: LayerArrays;
  novelty: NoveltyTable;
  tail: Tail;
}

/** Read what mapping needs; `wasmUrl` as for `Tail.open`. */
export async function openAtlas(parts: Parts, wasmUrl?: string): Promise<Atlas> {
  const names = [
    "first_layer_weight",
    "first_layer_bias",
    "gene_cap",
    "gene_mean",
    "gene_share",
    "gene_loading",
    "gene_noise",
  ];
  const tables = ["novelty_p", "novelty_share", "novelty_depth", "novelty_score"];
  const [graph, layer, table] = await Promise.all([
    parts.bytes("encoder_tail.onnx"),
    Promise.all(names.map((name) => parts.array(name))),
    Promise.all(tables.map((name) => parts.array(name))),
  ]);
  const [weight, bias, cap, mean, share, loading, noise] = layer;
  const [p, shares, depth, score] = table;
  return {
    manifest: parts.manifest,
    layer: { weight, bias, cap, mean, share, loading, noise },
    novelty: noveltyTable(p, shares, depth, score),
    tail: await Tail.open(graph, bias.data.length, wasmUrl),
  };
}
