/** The genes of two selections beside each other: what sets them apart. */

import type { Compared } from "../../mapping/compare";
import { kindsOf } from "../../mapping/compare";
import { counted, shareOf, short } from "../../words";
import { fill, h } from "../dom";
import type { FileResults } from "../file_results";
import type { Selection } from "../selection";
import { SortedTable, type TableColumn } from "../tables/sorted_table";

const SHOWN = 50;
// which genes come first where a gene is in hardly any cell of either is chance
const LEAST_HAVING = 0.1;
const OTHERS = "all other cells";

export interface CompareActions {
  compare(kinds: Uint8Array): Promise<Compared>;
  /** Colour the map by a gene. */
  colour(gene: string): void;
  failed(error: unknown): void;
}

interface GeneRow {
  name: string;
  mean: [number, number];
  having: [number, number];
}

export class CompareSection {
  /** Kept, to be compared with the next. */
  held: Selection | null = null;
  private results: FileResults | null = null;
  private asked = 0;

  constructor(
    private readonly element: HTMLElement,
    /** Names of the panel's genes. */
    private readonly genes: readonly string[],
    private readonly actions: CompareActions,
  ) {}

  forget(): void {
    this.asked++;
    this.held = this.results = null;
    this.element.hidden = true;
    fill(this.element);
  }

  offer(results: FileResults): void {
    this.results = results;
  }

  /** Lay the genes of a selection beside those of another, or of all other cells. */
  async against(selection: Selection, other: Selection | null): Promise<void> {
    const { results } = this;
    if (!results) return;
    const asked = ++this.asked;
    try {
      const kinds = kindsOf(results.nCells, selection.cells, other?.cells ?? null);
      const found = await this.actions.compare(kinds);
      if (asked === this.asked) this.show(results, found, [selection.title, other?.title ?? OTHERS]);
    } catch (error) {
      if (asked === this.asked) this.actions.failed(error);
    }
  }

  private show(results: FileResults, found: Compared, titles: [string, string]): void {
    const { element } = this;
    const [first, second] = found.cells;
    const rows = this.genes.flatMap((name, gene): GeneRow[] => {
      if (!results.started.measured[gene]) return [];
      const pair = (of: [Float64Array, Float64Array]): [number, number] => [of[0][gene], of[1][gene]];
      const row = { name, mean: pair(found.mean), having: pair(found.having) };
      return Math.max(...row.having) < LEAST_HAVING ? [] : [row];
    });
    const name = `Genes of ${titles[0]}, beside ${titles[1]}`;
    const table = new SortedTable(rows, this.columns(), {
      name,
      file: `${results.title}_compared`,
      most: SHOWN,
      sorted: 1,
    });
    element.hidden = false;
    fill(
      element,
      h("h2", { id: "compared-title" }, name),
      h(
        "p",
        { class: "quiet" },
        `A: ${counted(first, "cell")}, B: ${counted(second, "cell")}. Means of log-normalised counts, of genes that a tenth of ` +
          "the cells of either have. The order is no test: cells of one sample are not independent of each other.",
      ),
      table.element,
    );
    element.scrollIntoView({ block: "nearest" });
  }

  private columns(): TableColumn<GeneRow>[] {
    const number = (title: string, value: (row: GeneRow) => number, text: (value: number) => string) => ({
      title,
      kind: "number",
      value,
      show: (row: GeneRow) => text(value(row)),
    });
    const share = (value: number) => shareOf(value, 1);
    return [
      {
        title: "Gene",
        value: (row) => row.name,
        show: ({ name }) => {
          const title = `Colour the map by ${name}`;
          const onclick = () => this.actions.colour(name);
          return h("button", { type: "button", class: "link", title, onclick }, name);
        },
      },
      number("A less B", (row) => row.mean[0] - row.mean[1], short),
      number("Mean in A", (row) => row.mean[0], short),
      number("Mean in B", (row) => row.mean[1], short),
      number("Cells of A with it", (row) => row.having[0], share),
      number("Cells of B with it", (row) => row.having[1], share),
    ];
  }
}
