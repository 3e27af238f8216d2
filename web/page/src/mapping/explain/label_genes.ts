/** Some cells of each label, with their counts, to tell afterwards which genes spoke for it.
 *
 * Same as `runtime/mapping/gather/label_genes.py` of the Python package: the same cells.
 */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import { BottomK } from "../bottom_k";
import type { MappedBlock } from "../columns";
import type { CellFeatures } from "../features";
import { type CountedCell, countCell, type MeasuredBasis } from "./counted";

const { columns, explain } = decisions;
/** Gradients along the way of each cell, half of what single cells get. */
export const STEPS_OF_TYPE = 32;

export class LabelGenes {
  private readonly cells: Float64Array;
  private readonly kept: BottomK<CountedCell>[];

  constructor({ labels }: Manifest) {
    const most = Math.floor(explain.cells_of_all.value / Math.max(1, labels.length));
    const ofLabel = Math.min(explain.cells_of_label.value, Math.max(explain.fewest_cells.value, most));
    this.cells = new Float64Array(labels.length);
    this.kept = labels.map(() => new BottomK<CountedCell>(ofLabel));
  }

  /** Take in a block, whose place is among all queries; cells without any count are of no label. */
  add(block: MappedBlock, encoded: CellFeatures, basis: MeasuredBasis): void {
    const label = block.columns.find(({ name }) => name === columns.label);
    label?.values.forEach((code, cell) => {
      if (code >= this.kept.length) return;
      this.cells[code]++;
      this.kept[code].add(block.start + cell, () => countCell(basis, encoded, cell));
    });
  }

  /** Labels of which enough cells were kept, the most common first. */
  get labels(): number[] {
    const order = [...this.cells.keys()].sort((a, b) => this.cells[b] - this.cells[a]);
    return order.filter((code) => this.cellsOf(code).length >= explain.fewest_cells.value);
  }

  /** Cells of a label that have counts. */
  cellsOf(code: number): CountedCell[] {
    return this.kept[code].values.filter(({ counts }) => counts.some((count) => count > 0));
  }
}
