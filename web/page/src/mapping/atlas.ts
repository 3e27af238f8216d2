/** An atlas opened for mapping. */

import type { Manifest } from "../atlas/manifest";
import { type NoveltyTable, readNoveltyTable } from "../atlas/novelty_table";
import type { Parts } from "../atlas/parts";
import { Session } from "../atlas/session";
import { type PanelGenes, readPanelGenes } from "./features";

export interface Atlas {
  manifest: Manifest;
  panel: PanelGenes;
  novelty: NoveltyTable;
  tail: Session;
  /** Reads `label_mean`, [labels][panel]. */
  profiles: () => Promise<Float32Array>;
}

/** Read what mapping needs; `wasmUrl` as for `Session.open`. */
export async function openAtlas(parts: Parts, wasmUrl?: string): Promise<Atlas> {
  const [graph, panel, novelty] = await Promise.all([
    parts.bytes("encoder_tail.onnx"),
    readPanelGenes(parts),
    readNoveltyTable(parts),
  ]);
  const tail = await Session.open(graph, wasmUrl);
  const profiles = async () => (await parts.array("label_mean")).data as Float32Array;
  return { manifest: parts.manifest, panel, novelty, tail, profiles };
}
