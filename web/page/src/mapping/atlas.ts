/** An atlas opened for mapping. */

import { hasReference, type Manifest } from "../atlas/manifest";
import { type NoveltyTable, readNoveltyTable } from "../atlas/novelty_table";
import type { Parts } from "../atlas/parts";
import { Session } from "../atlas/session";
import { type PanelGenes, readPanelGenes } from "./features";

export interface Atlas {
  manifest: Manifest;
  panel: PanelGenes;
  /** Null without reference cells to compare with. */
  novelty: NoveltyTable | null;
  tail: Session;
  /** Reads `label_mean`, [labels][panel]; null where there is none. */
  profiles: (() => Promise<Float32Array>) | null;
  /** Reads `reference_label`, -1 where unknown; null where there is none. */
  referenceLabels: (() => Promise<Int32Array>) | null;
}

/** Read what mapping needs; `wasm` as for `Session.open`. */
export async function openAtlas(parts: Parts, wasm?: ArrayBuffer): Promise<Atlas> {
  const { manifest } = parts;
  const compares = hasReference(manifest);
  const [graph, panel, novelty] = await Promise.all([
    parts.bytes("encoder_tail.onnx"),
    readPanelGenes(parts),
    compares ? readNoveltyTable(parts) : null,
  ]);
  const tail = await Session.open(graph, wasm);
  const profiles = async () => (await parts.array("label_mean")).data as Float32Array;
  const labels = async () => (await parts.array("reference_label")).data as Int32Array;
  return {
    manifest,
    panel,
    novelty,
    tail,
    profiles: compares ? profiles : null,
    referenceLabels: compares ? labels : null,
  };
}
