/** Genes by type: how many cells of each have them, how much, and how that is spread. */

import type { Call } from "../../report/findings";
import { shareOf, short } from "../../words";
import { fill, h } from "../dom";
import type { FileResults } from "../file_results";
import { svg } from "../map/symbol";
import { SortedTable, type TableColumn } from "../tables/sorted_table";
import { titleOf } from "../titles";
import { density, outline } from "./violin";

// side by side
const MOST = 2;
const WIDTH = 180;
const HEIGHT = 22;

export interface Gene {
  name: string;
  /** [cells], log-normalised. */
  values: Float32Array;
}

interface GeneRow {
  name: string;
  genes: { having: number; mean: number; shape: string }[];
}

export class GeneSection {
  private genes: Gene[] = [];
  private results: FileResults | null = null;
  private calls: readonly Call[] = [];

  constructor(private readonly element: HTMLElement) {}

  forget(): void {
    this.genes = [];
    this.results = null;
    this.element.hidden = true;
    fill(this.element);
  }

  offer(results: FileResults, calls: readonly Call[]): void {
    [this.results, this.calls] = [results, calls];
  }

  /** Show a gene beside the last one. */
  add(gene: Gene): void {
    if (!this.results || !this.calls.length) return;
    const others = this.genes.filter(({ name }) => name !== gene.name);
    this.genes = [...others, gene].slice(-MOST);
    this.show(this.results);
  }

  private show(results: FileResults): void {
    const { genes, element } = this;
    const listed = genes.map(({ name }) => name).join(" and ");
    const name = `${listed} by type`;
    const file = `${results.title}_${genes.map(({ name: gene }) => gene).join("_")}_by_type`;
    const table = new SortedTable(this.rows(results), this.columns(results.call), { name, file });
    element.hidden = false;
    fill(
      element,
      h("h2", { id: "genes-title" }, name),
      h("p", { class: "quiet" }, "Log-normalised counts, over all cells of a type. A gene that the map is coloured by stands here, beside the last one."),
      table.element,
    );
  }

  private rows(results: FileResults): GeneRow[] {
    const { values: codes } = results.category(results.call)!;
    const at = new Map(this.calls.map(({ code }, row) => [code, row]));
    const parts = this.genes.map(({ values }) => {
      const found = this.calls.map(({ cells }) => new Float32Array(cells));
      const next = new Uint32Array(found.length);
      let most = 0;
      values.forEach((value, cell) => {
        const row = at.get(codes[cell])!;
        found[row][next[row]++] = value;
        if (value > most) most = value;
      });
      return { found, most };
    });
    return this.calls.map(({ name }, row) => ({
      name,
      genes: parts.map(({ found, most }) => {
        const values = found[row];
        let [sum, having] = [0, 0];
        for (const value of values) {
          sum += value;
          having += Number(value > 0);
        }
        const shape = outline(density(values, most), WIDTH, HEIGHT);
        return { having: having / values.length, mean: sum / values.length, shape };
      }),
    }));
  }

  private columns(call: string): TableColumn<GeneRow>[] {
    return [
      { title: titleOf(call), value: (row) => row.name, show: (row) => row.name },
      ...this.genes.flatMap(({ name }, gene): TableColumn<GeneRow>[] => [
        { title: "", kind: "violin", value: () => null, show: (row) => violin(row.genes[gene].shape) },
        {
          title: `${name}, mean`,
          kind: "number",
          value: (row) => row.genes[gene].mean,
          show: (row) => short(row.genes[gene].mean),
        },
        {
          title: `${name}, cells with it`,
          kind: "number",
          value: (row) => row.genes[gene].having,
          show: (row) => shareOf(row.genes[gene].having, 1),
        },
      ]),
    ];
  }
}

function violin(d: string): HTMLElement {
  const drawing = svg("svg", "", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  drawing.append(svg("path", "", { d }));
  return h("span", { class: "shape" }, drawing);
}
