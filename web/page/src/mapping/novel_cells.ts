/** Gathers what the search for groups of novel cells needs, while a query is mapped. */

import { hasReference, type Manifest } from "../atlas/manifest";
import type { Parts } from "../atlas/parts";
import decisions from "../decisions";
import type { MappedBlock } from "./columns";
import type { KeptCounts } from "./kept_counts";
import { type NovelGroup, novelGroups } from "./novel_groups";

const { columns: names } = decisions;

/** Whether an atlas can tell groups of cells unlike it. */
export function tellsGroups(parts: Parts): boolean {
  return hasReference(parts.manifest) && parts.hasArray("gene_share");
}

export class NovelCells {
  private readonly label: Int32Array;
  private readonly novel: Uint8Array;
  private readonly p: Float32Array;
  private readonly latent: Float32Array;

  constructor(
    nCells: number,
    private readonly manifest: Manifest,
  ) {
    this.label = new Int32Array(nCells);
    this.novel = new Uint8Array(nCells);
    this.p = new Float32Array(nCells);
    this.latent = new Float32Array(nCells * manifest.n_latent);
  }

  add({ start, columns, matrices }: MappedBlock): void {
    for (const { name, values } of columns) {
      if (name === names.label) this.label.set(values, start);
      if (name === names.novel) this.novel.set(values, start);
      if (name === names.novelty_p) this.p.set(values, start);
    }
    const latent = matrices.find(({ name }) => name === names.latent);
    if (latent) this.latent.set(latent.values, start * latent.width);
  }

  /** Groups among all cells, the largest first. */
  async groups(parts: Parts, measured: Uint8Array, counts: KeptCounts): Promise<NovelGroup[]> {
    if (!tellsGroups(parts)) return [];
    const [labelMean, referenceLatent] = await Promise.all(
      ["label_mean", "reference_latent"].map(async (name) => (await parts.array(name)).data),
    );
    return novelGroups({
      manifest: this.manifest,
      labelMean: labelMean as Float32Array,
      referenceLatent: referenceLatent as Float32Array,
      referenceLabel: (await parts.array("reference_label")).data,
      label: this.label,
      novel: this.novel,
      p: this.p,
      latent: this.latent,
      measured,
      counts,
    });
  }
}
