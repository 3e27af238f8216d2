/** Where a file is dropped or chosen, its progress, and what it came to. */

import { givesProb, hasReference, type Manifest } from "../atlas/manifest";
import decisions from "../decisions";
import { judgesEach } from "../mapping/annotate/several";
import { DEFAULTS, type MapOptions } from "../mapping/options";
import type { Bundle } from "../mapping/samples";
import { beyondMeasured, grouped } from "../words";
import { inWords } from "./file_results";
import { fill, h, NARROW } from "./dom";
import { whatIs } from "./explain/terms";
import { acceptDrops, type Drops, filePicker } from "./dropped";
import { OrthologsChoice } from "./orthologs_choice";
import type { Tile } from "./tables/summary";

const PYTHON = `mapped = anndata.read_h5ad(
    "..._mapped.h5ad"
)
adata.obs = adata.obs.join(mapped.obs)
adata.obsm["X_cellport"] = (
    mapped.obsm["X_cellport"]
)`;

const LEAST = 100 * decisions.genes.minimum.value;

/** A share that was written in percent; what is none is as if nothing had been written. */
function shareOf(percent: string): number {
  const written = percent.trim() === "" ? LEAST : Number(percent);
  return (written >= 0 && written <= 100 ? written : LEAST) / 100;
}

export interface IntakeActions {
  /** What is asked for may still be on its way. */
  files(bundles: Bundle[], options: Promise<MapOptions>): void;
  refused(error: unknown): void;
  stop(): void;
  downloadTable(): void;
  downloadH5ad(): void;
  downloadReport(): void;
}

export class Intake {
  private readonly options: HTMLElement;
  private readonly inputs: Record<
    "fractional" | "organism" | "rescaled" | "least" | "layer" | "genome" | "several" | "probabilities" | "ontology" | "numbers" | "groups",
    HTMLInputElement
  >;
  private readonly orthologs: OrthologsChoice;
  private readonly picker: HTMLInputElement;
  private readonly drops: Drops;
  private bar: HTMLProgressElement | null = null;
  private status: HTMLElement | null = null;

  constructor(
    private readonly element: HTMLElement,
    private readonly manifest: Manifest,
    private readonly example: File | null,
    /** Where other atlases are ticked. */
    private readonly others: HTMLElement | null,
    private readonly actions: IntakeActions,
  ) {
    this.inputs = {
      fractional: h("input", { type: "checkbox", id: "fractional" }),
      organism: h("input", { type: "checkbox", id: "organism" }),
      rescaled: h("input", { type: "checkbox", id: "rescaled" }),
      least: h("input", { type: "number", id: "least", min: 0, max: 100, step: "any", value: LEAST }),
      layer: h("input", { type: "text", id: "layer", placeholder: "found by itself" }),
      genome: h("input", { type: "text", id: "genome", placeholder: "the only one" }),
      several: h("input", { type: "checkbox", id: "several" }),
      probabilities: h("input", { type: "checkbox", id: "probabilities" }),
      ontology: h("input", { type: "checkbox", id: "ontology" }),
      numbers: h("input", { type: "checkbox", id: "novel-groups" }),
      groups: h("input", { type: "text", id: "groups", placeholder: "none" }),
    };
    this.orthologs = new OrthologsChoice(manifest.organism);
    this.picker = filePicker((bundles) => this.take(bundles));
    this.options = this.optionsForm();
    this.drops = acceptDrops(
      (bundles) => this.take(bundles),
      (error) => this.actions.refused(error),
    );
  }

  /** Wait for a file; `refused` says why the last one was not mapped. */
  showEmpty(refused: string | null): void {
    const choose = h(
      "button",
      { type: "button", class: "primary", onclick: () => this.picker.click() },
      "Choose files",
    );
    fill(
      this.element,
      h("h2", { id: "intake-title" }, "Map your cells"),
      refused !== null && h("p", { class: "refused", role: "alert" }, refused),
      h(
        "div",
        { class: "drop" },
        h("p", { class: "by-mouse" }, h("strong", {}, "Drop files here"), " or"),
        choose,
        h(
          "details",
          { class: "formats", open: window.innerWidth > NARROW },
          h("summary", {}, "Which files"),
          h(
            "p",
            { class: "quiet" },
            ".h5ad, .h5mu, 10x .h5, or a folder with matrix.mtx of 10x, STARsolo, kb-python, alevin-fry or Parse (or the three files in it), with raw counts; several are mapped as samples of one result",
          ),
        ),
      ),
      this.picker,
      this.exampleOffer(),
      this.options,
      this.others,
      this.whatIsDone(),
      h(
        "p",
        { class: "quiet lock" },
        "Nothing is uploaded: your cells are read and mapped on this computer.",
      ),
    );
    if (refused !== null) choose.focus();
  }

  showProgress(name: string): void {
    this.bar = h("progress", { "aria-label": "Progress" });
    this.status = h("p", { class: "quiet" }, "Opening…");
    fill(
      this.element,
      h("h2", { id: "intake-title" }, "Mapping"),
      h("p", { class: "file" }, name),
      this.bar,
      this.status,
      h("button", { type: "button", onclick: this.actions.stop }, "Stop"),
    );
  }

  progress(done: number, all: number, seconds: number): void {
    if (!this.bar || !this.status) return;
    this.bar.max = all;
    this.bar.value = done;
    const left = done ? (seconds * (all - done)) / done : 0;
    const wait = left > 5 ? `, about ${Math.ceil(left / 5) * 5} s left` : "";
    const beyond = beyondMeasured(all);
    this.status.textContent = `${grouped(done)} of ${grouped(all)} cells${wait}${beyond && `. ${beyond}`}`;
  }

  showDone(name: string, lead: string, tiles: readonly Tile[], seconds: number, from: readonly string[]): void {
    this.bar = null;
    fill(
      this.element,
      h("h2", { id: "intake-title" }, "Your cells"),
      h("p", { class: "file" }, name),
      h("dl", { class: "tiles" }, ...tiles.map((one) => this.tile(one))),
      h("p", { class: "lead" }, lead),
      h(
        "p",
        { class: "quiet" },
        `Mapped on this computer in ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s. Counts from ${inWords(from)}.`,
      ),
      h(
        "div",
        { class: "actions" },
        h(
          "button",
          { type: "button", class: "primary", onclick: this.actions.downloadTable },
          "Download results (CSV)",
        ),
        h(
          "button",
          { type: "button", onclick: this.actions.downloadH5ad },
          "Download for scanpy (.h5ad)",
        ),
        h("button", { type: "button", onclick: this.actions.downloadReport }, "Save the report (HTML)"),
        h("button", { type: "button", onclick: () => this.picker.click() }, "Map other files"),
      ),
      this.picker,
      h(
        "details",
        {},
        h("summary", {}, "Use them in Python"),
        h(
          "pre",
          { tabindex: 0 },
          PYTHON,
        ),
      ),
    );
  }

  private exampleOffer(): HTMLElement | false {
    const { example, manifest } = this;
    if (!example) return false;
    const try_ = () => this.actions.files([{ name: example.name, files: [example] }], Promise.resolve(DEFAULTS));
    return h(
      "p",
      { class: "example" },
      h("button", { type: "button", id: "example", onclick: try_ }, "Try it with example cells"),
      h("span", { class: "quiet" }, manifest.example!.about),
    );
  }

  /** What comes of it, for who is here for the first time. */
  private whatIsDone(): HTMLElement {
    const { manifest } = this;
    const known = manifest.labels.length > 0;
    const steps = [
      "Counts are read from your file, and its genes are matched with the atlas’s by name.",
      hasReference(manifest)
        ? "Each cell is laid onto the atlas, where cells like it lie."
        : "Each cell is laid into the atlas’s space.",
      known && "It gets the type that the atlas finds most likely, and how sure that is.",
      hasReference(manifest) && "Cells that look like nothing in the atlas are told apart.",
      "You see it on a map and in tables, and save it as CSV or for scanpy.",
    ];
    const listed = steps.filter((step) => step !== false).map((step) => h("li", {}, step));
    return h("details", { class: "steps", open: window.innerWidth > NARROW }, h("summary", {}, "What happens"), h("ol", {}, ...listed));
  }

  private tile({ value, label, term }: Tile): HTMLElement {
    const what = term && whatIs(term, this.manifest);
    return h("div", {}, h("dt", {}, label, what), h("dd", {}, value));
  }

  private optionsForm(): HTMLElement {
    const { fractional, organism, rescaled, least, layer, genome, several, groups, probabilities, ontology, numbers } =
      this.inputs;
    const { auto, cost } = decisions.groups;
    const labelled = this.manifest.labels.length > 0;
    return h(
      "details",
      { id: "options" },
      h("summary", {}, "Options"),
      h("label", {}, fractional, " Accept counts with fractions (RSEM, ambient-corrected)"),
      h("label", {}, organism, " Map even when the genes look like another organism's"),
      this.orthologs.element,
      h("label", {}, rescaled, " Put genes on the atlas's scale over the whole file (targeted panels)"),
      h("label", { class: "stacked" }, "Least percent of the atlas's genes in the file", least),
      h("label", { class: "stacked" }, "Where the raw counts are: X, raw, or a layer's name", layer),
      h("label", { class: "stacked" }, "Which genome, of a 10x file of several", genome),
      judgesEach(this.manifest) &&
        h("label", {}, several, " Name every type above one half: several, one or none"),
      givesProb(this.manifest) &&
        h("label", {}, probabilities, " Add every type's probability, and each level of the types' tree"),
      this.manifest.terms.size > 0 &&
        h("label", {}, ontology, " Add the term of the Cell Ontology that each cell's type is"),
      hasReference(this.manifest) &&
        h("label", {}, numbers, " Add the number of the group of cells unlike the atlas that each cell is in"),
      labelled &&
        h(
          "label",
          { class: "stacked" },
          `Add the type of most cells of each group: a column of your file with clusters, or ${auto}`,
          groups,
        ),
      labelled && h("p", { class: "quiet" }, cost),
    );
  }

  private take(bundles: Bundle[]): void {
    this.drops.forget();
    this.picker.value = "";
    if (!bundles.length) return;
    this.actions.files(bundles, this.asked());
  }

  private async asked(): Promise<MapOptions> {
    return {
      layer: this.inputs.layer.value.trim() || null,
      genome: this.inputs.genome.value.trim() || null,
      allowFractional: this.inputs.fractional.checked,
      anyOrganism: this.inputs.organism.checked,
      rescaleGenes: this.inputs.rescaled.checked,
      severalLabels: this.inputs.several.checked,
      probabilities: this.inputs.probabilities.checked,
      cellOntology: this.inputs.ontology.checked,
      novelGroups: this.inputs.numbers.checked,
      groups: this.inputs.groups.value.trim() || null,
      minimumGenes: shareOf(this.inputs.least.value),
      // last: what stands above is what stood in the fields when files were brought
      orthologs: await this.orthologs.table(),
    };
  }
}
