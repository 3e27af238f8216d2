/** Gathers what the search for groups of novel cells needs, while a query is mapped. */

import type { Manifest } from "../atlas/manifest";
import type { Parts } from "../atlas/parts";
import type { MappedBlock } from "./columns";
import type { KeptCounts } from "./kept_counts";
import { type NovelGroup, novelGroups } from "./novel_groups";

export class NovelCells {
  private readonly label: Int32Array;
  private readonly novel: Uint8Array;
  private readonly latent: Float32Array;

  constructor(
    nCells: number,
    private readonly manifest: Manifest,
  ) {
    this.label = new Int32Array(nCells);
    this.novel = new Uint8Array(nCells);
    this.latent = new Float32Array(nCells * manifest.nLatent);
  }

  add({ start, columns, matrices }: MappedBlock): void {
    for (const { name, values } of columns) {
      if (name === "cellport_label") this.label.set(values, start);
      if (name === "cellport_novel") this.novel.set(values, start);
    }
    const latent = matrices.find(({ name }) => name === "X_cellport");
    if (latent) this.latent.set(latent.values, start * latent.width);
  }

  /** Groups among all cells, the largest first. */
  async groups(parts: Parts, measured: Uint8Array, counts: KeptCounts): Promise<NovelGroup[]> {
    if (!this.novel.includes(1)) return [];
    const label = await parts.arrayIfThere("reference_label");
    return novelGroups({
      manifest: this.manifest,
      labelMean: (await parts.array("label_mean")).data as Float32Array,
      referenceLatent: (await parts.array("reference_latent")).data as Float32Array,
      referenceLabel: label?.data ?? null,
      label: this.label,
      novel: this.novel,
      latent: this.latent,
      measured,
      counts,
    });
  }
}
