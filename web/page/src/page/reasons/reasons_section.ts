/** Which genes spoke for each type: worked out type by type while the rest of the page is in use. */

import decisions from "../../decisions";
import type { LabelReasons, SpeakingGene } from "../../mapping/explain/reasons";
import { withoutThem } from "../../report/saved/reasons_section";
import { grouped, shareOf, short } from "../../words";
import { fill, h } from "../dom";
import type { FileResults } from "../file_results";
import { SortedTable, type TableColumn } from "../tables/sorted_table";
import { type Colour, geneButton, geneList } from "./gene_list";

const { explain, report, report_heads: heads } = decisions;

export interface ReasonsActions {
  reasons(label: number): Promise<LabelReasons>;
  /** Show the cells of a label. */
  select(label: string): void;
  colour: Colour;
  /** What to say of a failure; null where nobody waits for it any more. */
  failed(error: unknown): string | null;
}

interface GeneRow {
  label: string;
  runnerUp: string;
  gene: SpeakingGene;
}

export class ReasonsSection {
  private asked = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly actions: ReasonsActions,
  ) {}

  forget(): void {
    this.asked++;
    this.element.hidden = true;
    fill(this.element);
  }

  /** Work out the genes of labels, one after the other, and show each as it is known. */
  async offer({ title }: FileResults, labels: readonly number[]): Promise<void> {
    const asked = ++this.asked;
    this.element.hidden = !labels.length;
    if (!labels.length) return;
    const found: LabelReasons[] = [];
    const genes: GeneRow[] = [];
    const table = new SortedTable(found, this.columns(), { name: report.reasons_caption, file: `${title}_reasons` });
    const numbers = new SortedTable(genes, geneColumns(this.actions.colour), {
      name: "Genes of each type, in numbers",
      file: `${title}_reasons_genes`,
    });
    const progress = h("p", { class: "quiet", role: "status" });
    this.show(table, numbers, progress);
    for (const [done, label] of labels.entries()) {
      progress.textContent = `Working out the genes: ${grouped(done)} of ${grouped(labels.length)} types.`;
      let reasons: LabelReasons;
      try {
        reasons = await this.actions.reasons(label);
      } catch (error) {
        if (asked === this.asked) progress.textContent = this.actions.failed(error);
        return;
      }
      if (asked !== this.asked) return;
      found.push(reasons);
      genes.push(...reasons.genes.map((gene) => ({ label: reasons.label, runnerUp: reasons.runnerUp, gene })));
      table.draw();
      numbers.draw();
    }
    progress.remove();
  }

  private show(table: SortedTable<LabelReasons>, numbers: SortedTable<GeneRow>, progress: HTMLElement): void {
    fill(
      this.element,
      h("h2", { id: "reasons-title" }, report.reasons_title),
      h("p", { class: "quiet" }, explain.lead),
      progress,
      table.element,
      h("p", { class: "quiet" }, explain.not_shown),
      h("details", {}, h("summary", {}, "The genes in numbers"), numbers.element),
    );
  }

  private columns(): TableColumn<LabelReasons>[] {
    const { colour, select } = this.actions;
    const [type, by, from, without] = heads.reasons.map((head) => head[0].toUpperCase() + head.slice(1));
    return [
      {
        title: type,
        value: (row) => row.label,
        show: ({ label }) => {
          const title = `Select the cells of ${label}`;
          return h("button", { type: "button", class: "link", title, onclick: () => select(label) }, label);
        },
      },
      {
        title: by,
        value: (row) => row.genes.map(({ gene }) => gene).join(", "),
        show: (row) => geneList(row.genes.map(({ gene }) => gene), colour),
      },
      { title: from, value: (row) => row.runnerUp, show: (row) => row.runnerUp || "–" },
      {
        title: without,
        kind: "number",
        value: ({ probability, probabilityWithout }) => known(probability - probabilityWithout),
        show: (row) => withoutThem(row) || "–",
      },
    ];
  }
}

function geneColumns(colour: Colour): TableColumn<GeneRow>[] {
  const number = (title: string, value: (gene: SpeakingGene) => number, show: (value: number) => string) => ({
    title,
    kind: "number",
    value: ({ gene }: GeneRow) => known(value(gene)),
    show: ({ gene }: GeneRow) => (Number.isNaN(value(gene)) ? "–" : show(value(gene))),
  });
  const share = (value: number) => shareOf(value, 1);
  return [
    { title: "Type", value: (row) => row.label, show: (row) => row.label },
    { title: "Gene", value: (row) => row.gene.gene, show: (row) => geneButton(row.gene.gene, colour) },
    number("Adds to its log-odds", (gene) => gene.forLabel, short),
    number("Against the next type", (gene) => gene.againstRunnerUp, short),
    { title: "Next type", value: (row) => row.runnerUp, show: (row) => row.runnerUp || "–" },
    number("Cells with it", (gene) => gene.expressed, share),
    number("Probability without it", (gene) => gene.probabilityWithout, share),
  ];
}

const known = (value: number) => (Number.isNaN(value) ? null : value);
