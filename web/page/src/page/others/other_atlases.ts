/** Other atlases of a site, to be asked about the same cells: fetched and verified once they are
 * ticked, so that nothing is fetched when cells are mapped. */

import type { Listed } from "../../atlas/list";
import { fetchParts } from "../../atlas/parts";
import { sentence } from "../../errors";
import type { Verification } from "../../mapping/verify";
import type { Beside } from "../../worker/messages";
import { counted } from "../../words";
import { fill, h } from "../dom";

export interface OtherAtlasesActions {
  /** Have the worker open an atlas and map its test cells. */
  verify(one: Beside): Promise<Verification>;
  /** Called when atlases are ticked or not, with those of them that are here; null while some are not. */
  changed(names: readonly string[], verified: readonly Verification[] | null): void;
}

interface Here {
  beside: Beside;
  verification: Verification;
}

export class OtherAtlases {
  /** Where they are ticked; null where there is none to ask. */
  readonly element: HTMLElement | null;
  private readonly boxes = new Map<string, HTMLInputElement>();
  private readonly fetched = new Map<string, Promise<Here>>();
  private readonly title = h("summary");
  private readonly said = h("p", { class: "quiet", role: "status" });

  constructor(
    private readonly atlases: readonly Listed[],
    wanted: readonly string[],
    private readonly actions: OtherAtlasesActions,
  ) {
    for (const one of atlases) this.boxes.set(one.name, this.box(one, wanted.includes(one.name)));
    const missing = wanted.find((name) => !this.boxes.has(name));
    if (missing !== undefined) this.said.textContent = `There is no atlas '${missing}' here.`;
    this.element = atlases.length ? this.form() : null;
    this.tell();
    if (this.names.length) void this.look();
  }

  /** Those that are ticked, once all of them are here. */
  async ticked(): Promise<Beside[]> {
    return (await this.here()).map(({ beside }) => beside);
  }

  /** Whether any is ticked. */
  get asked(): boolean {
    return this.names.length > 0;
  }

  private get names(): string[] {
    return [...this.boxes].filter(([, { checked }]) => checked).map(([name]) => name);
  }

  private here(): Promise<Here[]> {
    return Promise.all(this.names.map((name) => this.fetch(name)));
  }

  private fetch(name: string): Promise<Here> {
    const known = this.fetched.get(name);
    if (known) return known;
    const { folder } = this.atlases.find((one) => one.name === name)!;
    const fetching = fetchParts(new URL(`${folder}/`, document.baseURI)).then(async (parts) => {
      const beside = { name, parts };
      return { beside, verification: await this.actions.verify(beside) };
    });
    this.fetched.set(name, fetching);
    // one that failed can be tried again
    fetching.catch(() => this.fetched.delete(name));
    return fetching;
  }

  /** Fetch what is ticked, and say how far that is. */
  private async look(): Promise<void> {
    const { names } = this;
    const current = () => names.join() === this.names.join();
    this.actions.changed(names, null);
    this.tell();
    if (names.some((name) => !this.fetched.has(name))) this.said.textContent = "Fetching…";
    try {
      const found = await this.here();
      if (!current()) return;
      this.said.textContent = "";
      this.actions.changed(names, found.map(({ verification }) => verification));
    } catch (error) {
      if (!current()) return;
      for (const [name, box] of this.boxes) if (!this.fetched.has(name)) box.checked = false;
      await this.look();
      this.said.textContent = sentence(error);
    }
  }

  private tell(): void {
    const { length } = this.names;
    this.title.textContent = `Ask other atlases too${length ? ` (${length})` : ""}`;
  }

  private box({ name }: Listed, checked: boolean): HTMLInputElement {
    return h("input", { type: "checkbox", id: `also-${name}`, checked, onchange: () => void this.look() });
  }

  private form(): HTMLElement {
    const rows = this.atlases.map((one) => h("label", {}, this.boxes.get(one.name)!, ` ${inWords(one)}`));
    const form = h("details", { class: "also", open: this.names.length > 0 || this.said.textContent !== "" });
    fill(
      form,
      this.title,
      h("p", { class: "quiet" }, "What they say of each cell stands beside, and what all say together."),
      h("div", { role: "group", "aria-label": "Other atlases" }, ...rows),
      this.said,
    );
    return form;
  }
}

function inWords({ title, labels, bytes }: Listed): string {
  return `${title} (${counted(labels.length, "type")}, ${(bytes / 1e6).toFixed(1)} MB)`;
}
