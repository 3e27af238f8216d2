/** Whether cells are of the other species: the table of orthologs is fetched once that is ticked, so
 * that nothing is fetched when cells are mapped. */

import tableUrl from "../../../../runtime/genes/data/orthologs_human_mouse.tsv.gz?url";

import { sentence } from "../errors";
import { otherSpecies } from "../mapping/options";
import { unpacked } from "../worker/kit";
import { h } from "./dom";

export class OrthologsChoice {
  /** Null where an atlas is of neither species. */
  readonly element: HTMLElement | null;
  private readonly box = h("input", { type: "checkbox", id: "orthologs", onchange: () => void this.look() });
  private readonly said = h("span", { class: "quiet", role: "status" });
  private fetched: Promise<string> | null = null;

  constructor(organism: string) {
    const other = otherSpecies(organism);
    const text = ` Cells of ${other}: read their genes as ${organism} orthologs`;
    this.element = other === null ? null : h("div", {}, h("label", {}, this.box, text), this.said);
  }

  /** The table, where it is asked for. */
  async table(): Promise<string | null> {
    return this.box.checked ? this.fetch() : null;
  }

  private fetch(): Promise<string> {
    const url = new URL(tableUrl, document.baseURI);
    this.fetched ??= unpacked(url, "The table of orthologs").then((table) => table.text());
    // a failure can be tried again
    this.fetched.catch(() => (this.fetched = null));
    return this.fetched;
  }

  private async look(): Promise<void> {
    this.said.textContent = "";
    try {
      await this.table();
    } catch (error) {
      this.box.checked = false;
      this.said.textContent = sentence(error);
    }
  }
}
