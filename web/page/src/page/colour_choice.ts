/** What to colour by: answers, columns of the query, genes. */

import { graphOf, type Manifest, panelNames, terminalNames } from "../atlas/manifest";
import decisions from "../decisions";
import { LIKE, numberShading, type Shading, shadingOf, UNLIKE } from "./map/colouring";
import { fill, h } from "./dom";
import type { FileResults } from "./file_results";
import type { Gene } from "./genes/gene_section";
import { partsOf, titleOf } from "./titles";
import type { Mapper } from "../worker/client";

const names = decisions.columns;
// hundreds of values at times; the selection shows them
const HIDDEN = new Set([names.label_set, names.several_labels, names.group, names.novel_group]);
const FIRST = names.call;

// they run from 0 to 1 whatever the query
const SHARES = new Set([
  names.prob,
  names.group_share,
  names.joint_prob,
  names.agreement,
  names.pseudotime,
  names.edge_fraction,
]);

/** Which of the choices speak of labels that the reference has too. */
const OF_LABELS = new Set([names.call, names.label, names.group_label, names.joint]);

export class ColourChoice {
  private readonly select = h("select", { id: "colour", onchange: () => this.chosen() });
  private readonly gene = h("input", {
    id: "gene",
    list: "genes",
    placeholder: "Gene…",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": "Colour by gene",
    onchange: () => this.chosenGene(),
  });
  private readonly fates: readonly string[];
  private results: FileResults | null = null;
  // the last choice: what was asked for an earlier one, or for another file, comes too late
  private choice = 0;
  shading: Shading | null = null;
  byLabel = true;

  constructor(
    element: HTMLElement,
    private readonly manifest: Manifest,
    private readonly labelOrder: readonly string[],
    private readonly mapper: Mapper,
    private readonly changed: () => void,
    private readonly geneShown: (gene: Gene) => void,
    private readonly failed: (error: unknown) => void,
  ) {
    const graph = graphOf(manifest);
    this.fates = graph ? terminalNames(graph) : [];
    const options = panelNames(manifest).map((value) => h("option", { value }));
    const list = h("datalist", { id: "genes" }, ...options);
    element.append(h("label", { for: "colour" }, "Colour by"), this.select, this.gene, list);
    this.reset();
  }

  /** What is chosen, as an address tells it: nothing of the usual. */
  get shown(): { colour: string; gene: string } {
    const gene = this.select.value === "gene" ? this.gene.value : "";
    const usual = gene || !this.results || this.select.value === this.usual;
    return { colour: usual ? "" : this.select.value, gene };
  }

  /** Whether cells are coloured by what they are called. */
  get byCall(): boolean {
    return this.shading?.column !== undefined && this.shading.column === this.results?.call;
  }

  /** Choose again what an address tells, where this file has it. */
  restore({ colour, gene }: { colour: string; gene: string }): void {
    if (gene) {
      this.gene.value = gene;
      this.chosenGene();
    } else if (this.offers(colour)) {
      this.select.value = colour;
      this.chosen();
    }
  }

  private offers(colour: string): boolean {
    return [...this.select.options].some(({ value }) => value === colour);
  }

  private get usual(): string {
    const call = `answer:${this.results!.call}`;
    if (this.offers(call)) return call;
    return [...this.select.options].find(({ value }) => value.startsWith("answer:"))?.value ?? "";
  }

  /** Before a query: the reference's own labels. */
  reset(): void {
    this.choice++;
    this.results = null;
    this.shading = null;
    this.byLabel = true;
    fill(this.select, h("option", {}, titleOf(FIRST)));
    this.select.disabled = true;
    this.gene.disabled = true;
  }

  /** Offer what a query has, once all of it is there, and choose what an address tells. */
  offer(results: FileResults, shown: { colour: string; gene: string }): void {
    this.results = results;
    const answers = [...results.columns.keys()].filter((name) => !HIDDEN.has(name));
    const option = (value: string, text: string) => h("option", { value }, text);
    fill(
      this.select,
      // shown while a gene is typed in beside it
      h("option", { value: "gene", hidden: true }, "Gene"),
      h(
        "optgroup",
        { label: "Answers" },
        ...answers.map((name) => option(`answer:${name}`, titleOf(name))),
        ...this.fates.map((name, i) => option(`fate:${i}`, `Fate: ${name}`)),
      ),
      results.started.obsColumns.length > 0 &&
        h(
          "optgroup",
          { label: "Columns of your file" },
          ...results.started.obsColumns.map((name) => option(`column:${name}`, name)),
        ),
    );
    this.select.disabled = false;
    this.gene.disabled = false;
    this.gene.value = "";
    this.select.value = this.offers(shown.colour) ? shown.colour : this.usual;
    this.chosen();
  }

  private chosen(): void {
    this.choice++;
    this.gene.value = "";
    const [kind, ...rest] = this.select.value.split(":");
    const name = rest.join(":");
    if (kind === "answer") this.show({ ...this.answer(name), column: name }, OF_LABELS.has(name));
    else if (kind === "fate") this.show({ ...this.fate(Number(name)), column: names.fate }, false);
    else {
      this.whenChosen(this.mapper.column(name), (column) => {
        this.show(this.likeTheAtlas(shadingOf(name, column)), false);
      });
    }
  }

  private chosenGene(): void {
    const wanted = this.gene.value.trim().toLowerCase();
    if (!wanted || !this.results) return;
    const { symbols, ensembl, other_names } = this.manifest.panel;
    const gene = [symbols, ensembl, other_names]
      .map((names) => names.findIndex((name) => name.toLowerCase() === wanted))
      .reduce((found, at) => (found < 0 ? at : found), -1);
    if (gene < 0) return this.failed(new Error(`The atlas's panel has no gene '${this.gene.value}'.`));
    const name = symbols[gene] || ensembl[gene];
    if (!this.results.started.measured[gene]) {
      return this.failed(new Error(`Your file has no gene ${name}.`));
    }
    this.choice++;
    this.whenChosen(this.mapper.gene(gene), (values) => {
      this.select.value = "gene";
      this.gene.value = name;
      this.geneShown({ name, values });
      this.show(numberShading(`${name}, log-normalised counts`, values), false);
    });
  }

  /** Go on with what was asked for, unless something else was chosen meanwhile. */
  private whenChosen<T>(asked: Promise<T>, show: (found: T) => void): void {
    const { choice } = this;
    asked
      .then((found) => choice === this.choice && show(found))
      .catch((error: unknown) => choice === this.choice && this.failed(error));
  }

  /** Names that are the atlas's types have the marks of these. */
  private likeTheAtlas(shading: Shading): Shading {
    if (shading.kind !== "category") return shading;
    const known = new Set(this.labelOrder);
    const some = shading.categories.some((name) => known.has(name));
    return some ? { ...shading, fixed: this.labelOrder } : shading;
  }

  private answer(name: string): Shading {
    const column = this.results!.columns.get(name)!;
    const title = titleOf(name);
    if (column.kind === "category") {
      const fixed = OF_LABELS.has(name) ? this.labelOrder : undefined;
      const { categories } = column;
      const shading: Shading = { kind: "category", title, codes: column.values, categories, fixed };
      return partsOf(name)[1] ? this.likeTheAtlas(shading) : shading;
    }
    if (column.kind === "bool") {
      const codes = Int32Array.from(column.values);
      return { kind: "category", title, codes, categories: [LIKE, UNLIKE] };
    }
    if (name === names.novelty_p) {
      const values = column.values.map((p) => -Math.log10(Math.max(p, 1e-6)));
      return numberShading("Novelty p, as −log10", values, [0, 6]);
    }
    return numberShading(title, column.values, SHARES.has(partsOf(name)[0]) ? [0, 1] : undefined);
  }

  /** Probability that a cell ends in one of the terminal states. */
  private fate(state: number): Shading {
    const { values, width } = this.results!.matrices.get(names.fate)!;
    const prob = Float32Array.from({ length: values.length / width }, (_, i) => values[i * width + state]);
    return numberShading(`Probability of ending as ${this.fates[state]}`, prob, [0, 1]);
  }

  private show(shading: Shading, byLabel: boolean): void {
    this.shading = shading;
    this.byLabel = byLabel;
    this.changed();
  }
}
