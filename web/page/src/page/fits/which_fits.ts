/** Files that are brought before an atlas is chosen, and which of several atlases they fit. */

import type { Listed } from "../../atlas/list";
import decisions from "../../decisions";
import { sentence } from "../../errors";
import { DEFAULTS } from "../../mapping/options";
import { type AtlasFit, fitInWords } from "../../mapping/atlas_fit";
import type { Bundle } from "../../mapping/samples";
import { grouped } from "../../words";
import { Stopped } from "../../worker/client";
import type { Engine, Kit } from "../../worker/kit";
import { Ranker } from "../../worker/ranker";
import { byId, fill, h } from "../dom";
import { acceptDrops, type Drops, filePicker } from "../dropped";
import { inWords } from "../file_results";
import { fitsTable } from "./fits_table";

export interface WhichFitsActions {
  /** What maps, fetched once it is needed. */
  engine(): Promise<Engine>;
  /** Map the files onto an atlas, and ask others too; its parts, where they are here already. */
  choose(atlas: Listed, bundles: Bundle[], parts: Kit["parts"] | null, also: readonly string[]): void;
}

export class WhichFits {
  private bundles: Bundle[] = [];
  private ranker: Ranker | null = null;
  private run = 0;
  /** Atlases that are to be asked beside the one that is chosen. */
  private readonly also = new Set<string>();
  private readonly picker: HTMLInputElement;
  private readonly drops: Drops;

  constructor(
    private readonly element: HTMLElement,
    private readonly atlases: readonly Listed[],
    private readonly actions: WhichFitsActions,
  ) {
    this.picker = filePicker((bundles) => this.take(bundles));
    this.drops = acceptDrops(
      (bundles) => this.take(bundles),
      (error) => this.empty(sentence(error)),
    );
    this.empty(null);
  }

  /** Whether files wait for an atlas. */
  get holds(): boolean {
    return this.bundles.length > 0;
  }

  /** Map what was brought onto an atlas. */
  choose(name: string): void {
    const atlas = this.atlases.find((one) => one.name === name)!;
    const parts = this.ranker?.partsOf(name) ?? null;
    this.stop();
    this.drops.end();
    const also = [...this.also].filter((one) => one !== name);
    this.actions.choose(atlas, this.bundles, parts, also);
  }

  private take(bundles: Bundle[]): void {
    this.drops.forget();
    this.picker.value = "";
    if (!bundles.length) return;
    this.stop();
    this.also.clear();
    this.bundles = bundles;
    this.offer();
  }

  private stop(): void {
    this.run++;
    this.ranker?.stop();
    this.ranker = null;
  }

  private empty(refused: string | null): void {
    this.stop();
    this.bundles = [];
    fill(
      this.element,
      this.head(),
      refused !== null && h("p", { class: "refused", role: "alert" }, refused),
      h("p", {}, "Bring your cells first, and ask which of these atlases they fit."),
      h("div", { class: "actions" }, this.chooser("Choose files", true)),
      this.picker,
    );
  }

  private offer(refused: string | null = null): void {
    const megabytes = this.atlases.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
    const ask = { type: "button", id: "rank", class: "primary", onclick: () => void this.rank() };
    fill(
      this.element,
      this.head(),
      this.file(),
      refused !== null && h("p", { class: "refused", role: "alert" }, refused),
      h(
        "p",
        { class: "quiet", id: "rank-cost" },
        `Some ${grouped(decisions.rank.cells.value)} of its cells are mapped onto each atlas, on this computer. ` +
          `For that all ${grouped(this.atlases.length)} atlases are fetched: ${megabytes.toFixed(1)} MB at most. ` +
          "Or choose one below.",
      ),
      h(
        "div",
        { class: "actions" },
        h("button", { ...ask, "aria-describedby": "rank-cost" }, "Which atlas fits?"),
        this.chooser("Other files", false),
      ),
      this.picker,
    );
    byId("rank").focus();
  }

  private async rank(): Promise<void> {
    const run = ++this.run;
    const current = () => run === this.run;
    const [bar, status, found] = this.progress();
    try {
      const engine = await this.actions.engine();
      if (!current()) return;
      const ranker = (this.ranker = new Ranker(engine, this.bundles[0]));
      const fits = await ranker.rank(this.atlases, DEFAULTS, {
        asking: ({ title }, at) => {
          bar.value = at;
          status.textContent = `Asking ${title}, ${grouped(at + 1)} of ${grouped(this.atlases.length)}`;
        },
        told: (some) => current() && fill(found, this.table(some)),
      });
      if (current()) this.done(fits);
    } catch (error) {
      if (current()) this.offer(error instanceof Stopped ? null : sentence(error));
    }
  }

  private progress(): [HTMLProgressElement, HTMLElement, HTMLElement] {
    const bar = h("progress", { "aria-label": "Atlases asked", max: this.atlases.length, value: 0 });
    const status = h("p", { class: "quiet" }, "Reading some of the cells…");
    const found = h("div", { class: "scroll" });
    const stopped = () => {
      this.stop();
      this.offer();
    };
    const stop = h("button", { type: "button", onclick: stopped }, "Stop");
    fill(this.element, this.head(), this.file(), bar, status, stop, found);
    stop.focus();
    return [bar, status, found];
  }

  private done(fits: readonly AtlasFit[]): void {
    const [best] = fits;
    const said = best.refused ? decisions.rank.none : `Best: ${this.titleOf(best.atlas)}. ${fitInWords(best)}`;
    fill(
      this.element,
      this.head(),
      this.file(),
      h("p", { class: "lead", id: "best", tabindex: -1 }, said),
      h("div", { class: "scroll" }, this.table(fits)),
      h(
        "p",
        { class: "quiet" },
        "Fits is the share of cells like something in the atlas, times the mean probability of their " +
          "types, which is how many of these are expected to be right.",
      ),
      h("div", { class: "actions" }, this.chooser("Other files", false)),
      this.picker,
    );
    byId("live").textContent = said;
    byId("best").focus({ preventScroll: true });
  }

  private table(fits: readonly AtlasFit[]): HTMLElement {
    return fitsTable(fits, {
      titleOf: (atlas) => this.titleOf(atlas),
      choose: (atlas) => this.choose(atlas),
      also: this.also,
    });
  }

  private titleOf(atlas: string): string {
    return this.atlases.find(({ name }) => name === atlas)!.title;
  }

  private head(): HTMLElement {
    return h("h2", { id: "which-title" }, "Which atlas fits your cells?");
  }

  private file(): HTMLElement {
    const names = this.bundles.map(({ name }) => name);
    const asked = names.length > 1 && h("span", { class: "quiet" }, ` The first of them is asked of.`);
    return h("p", { class: "file" }, inWords(names), asked);
  }

  private chooser(text: string, primary: boolean): HTMLElement {
    const look = { type: "button", class: primary ? "primary" : undefined };
    return h("button", { ...look, onclick: () => this.picker.click() }, text);
  }
}
