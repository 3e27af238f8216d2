/** The worker's part of asking several atlases: those that are open beside the first. */

import { openParts, type Parts, partsIn } from "../atlas/parts";
import { type Atlas, openAtlas } from "../mapping/atlas";
import { refuseUnheard } from "../mapping/consensus/companion";
import { type Verification, verifyAtlas } from "../mapping/verify";
import type { Beside } from "./messages";

interface Opened {
  parts: Parts;
  atlas: Atlas;
}

export class OtherAtlases {
  private readonly opened = new Map<string, Opened>();

  /** Open an atlas, and map its test cells; refuses one that cannot be heard with the first. */
  async verify(one: Beside, first: Atlas): Promise<Verification> {
    const { atlas, parts } = await this.open(one);
    for (const { manifest } of [first, atlas]) refuseUnheard(manifest);
    return verifyAtlas(atlas, parts);
  }

  async engines(all: readonly Beside[]): Promise<Atlas[]> {
    const found: Atlas[] = [];
    for (const one of all) found.push((await this.open(one)).atlas);
    return found;
  }

  private async open({ name, parts: blobs }: Beside): Promise<Opened> {
    const known = this.opened.get(name);
    if (known) return known;
    const parts = await openParts(partsIn(blobs));
    const opened = { parts, atlas: await openAtlas(parts) };
    this.opened.set(name, opened);
    return opened;
  }
}
