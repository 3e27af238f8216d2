/** Which of a site's atlases a file fits: the page's end. */

import type { Listed } from "../atlas/list";
import { fetchManifest, fetchParts } from "../atlas/parts";
import decisions, { say } from "../decisions";
import { InputError, sentence } from "../errors";
import type { MapOptions } from "../mapping/options";
import { type AtlasFit, ranked, refusedFit } from "../mapping/atlas_fit";
import type { Bundle } from "../mapping/samples";
import { Stopped } from "./client";
import { Exchange } from "./exchange";
import type { Engine, Kit } from "./kit";

export interface RankListener {
  /** Called before an atlas is fetched and asked. */
  asking(atlas: Listed, at: number): void;
  /** Called with all that were asked, the best first. */
  told(fits: readonly AtlasFit[]): void;
}

/** Ranks one file. Atlases are fetched and opened one after another; the parts of the best so far
 * are kept, so that it need not be fetched again. */
export class Ranker {
  private readonly exchange: Exchange;
  private stopped = false;
  private bestScore = 0;
  private best: Pick<Kit, "parts"> & { atlas: string } = { atlas: "", parts: new Map() };

  constructor(
    private readonly engine: Engine,
    private readonly bundle: Bundle,
  ) {
    const reason = { where: bundle.name, reason: "there is no end to it" };
    this.exchange = new Exchange(engine.startWorker, () =>
      this.exchange.end(() => new InputError(say(decisions.files.unreadable, reason))),
    );
  }

  async rank(atlases: readonly Listed[], options: MapOptions, listener: RankListener): Promise<readonly AtlasFit[]> {
    const bases = atlases.map(({ folder }) => new URL(`${folder}/`, document.baseURI));
    const manifests = await Promise.all(bases.map(fetchManifest));
    const { bundle } = this;
    this.goOn();
    await this.exchange.ask({ kind: "some cells", bundle, manifests, options }, "some cells");
    let fits: readonly AtlasFit[] = [];
    for (const [at, atlas] of atlases.entries()) {
      listener.asking(atlas, at);
      fits = ranked([...fits, await this.fit(atlas.name, bases[at], manifests[at], options)]);
      this.goOn();
      listener.told(fits);
    }
    this.exchange.end(() => new Stopped());
    return fits;
  }

  /** The parts of an atlas, where they are here. */
  partsOf(atlas: string): Kit["parts"] | null {
    return this.best.atlas === atlas ? this.best.parts : null;
  }

  stop(): void {
    this.stopped = true;
    this.exchange.end(() => new Stopped());
  }

  private goOn(): void {
    if (this.stopped) throw new Stopped();
  }

  private async fit(atlas: string, base: URL, manifest: Blob, options: MapOptions): Promise<AtlasFit> {
    let parts: Kit["parts"];
    try {
      parts = await fetchParts(base, manifest);
    } catch (error) {
      return refusedFit(atlas, sentence(error));
    }
    this.goOn();
    const { wasm } = this.engine;
    const { fit } = await this.exchange.ask({ kind: "fit", atlas, wasm, parts, options }, "fit");
    if (fit.score > this.bestScore) {
      this.bestScore = fit.score;
      this.best = { atlas, parts };
    }
    return fit;
  }
}
