/** Answers of the encoder to columns that people read.
 *
 * Same as `runtime/transfer.py` of the Python package.
 */

import type { Manifest } from "../atlas/manifest";
import { AtlasError } from "../errors";
import type { MappedBlock, ResultColumn, ResultMatrix } from "./columns";
import { buildTree, callDeepest, type LabelTree } from "./label_tree";
import { noveltyP, type NoveltyTable } from "./novelty";
import {
  argmax,
  structureAnswers,
  type StructureNames,
  structureNames,
  structureWidths,
} from "./structure";
import type { Answers } from "./tail";

export const UNKNOWN = "unknown";
export const QC = ["ok", "empty", "low_depth", "low_gene_coverage"];

export class Transfer {
  private readonly tree: LabelTree;
  private readonly structure: StructureNames;
  private readonly setProb: Float32Array;
  /** Label sets met so far; blocks name them by position. */
  private readonly sets = new Map<string, number>([["", 0]]);

  constructor(
    private readonly manifest: Manifest,
    private readonly novelty: NoveltyTable,
    private readonly measuredShare: number,
  ) {
    this.tree = buildTree(manifest.labels, manifest.parents);
    this.structure = structureNames(manifest);
    this.setProb = Float32Array.from(manifest.setProb);
  }

  /** Turn the answers for a block into its results. An empty cell is unknown, and never novel. */
  block(start: number, library: Float64Array, answers: Answers): MappedBlock {
    const nCells = library.length;
    this.checkAnswers(answers);
    const columns: ResultColumn[] = [];
    if (this.manifest.labels.length) columns.push(...this.labelColumns(library, answers));
    columns.push(...this.noveltyColumns(library, answers));
    columns.push(this.quality(library));
    const matrices: ResultMatrix[] = [
      matrix("X_cellport", answers.get("latent")!),
      matrix("X_cellport_umap", answers.get("umap")!),
    ];
    const [more, moreMatrices] = structureAnswers(this.structure, answers, library);
    columns.push(...more);
    return { start, nCells, columns, matrices: [...matrices, ...moreMatrices] };
  }

  private labelColumns(library: Float64Array, answers: Answers): ResultColumn[] {
    const { labels, thresholds } = this.manifest;
    const { data } = answers.get("label_prob")!;
    const n = library.length;
    const label = new Int32Array(n);
    const prob = new Float32Array(n);
    const call = new Int32Array(n);
    const set = new Int32Array(n);
    for (let cell = 0; cell < n; cell++) {
      const row = data.subarray(cell * labels.length, (cell + 1) * labels.length);
      const best = argmax(row);
      const empty = library[cell] <= 0;
      label[cell] = empty ? labels.length : best;
      prob[cell] = empty ? 0 : row[best];
      call[cell] = empty
        ? this.tree.nodes.length
        : callDeepest(this.tree, row, best, thresholds.call_prob);
      set[cell] = empty ? 0 : this.labelSet(row, best);
    }
    return [
      {
        name: "cellport_label",
        kind: "category",
        categories: [...labels, UNKNOWN],
        values: label,
      },
      { name: "cellport_prob", kind: "float", values: prob },
      {
        name: "cellport_call",
        kind: "category",
        categories: [...this.tree.nodes, UNKNOWN],
        values: call,
      },
      {
        name: "cellport_label_set",
        kind: "category",
        categories: [...this.sets.keys()],
        values: set,
        free: true,
      },
    ];
  }

  private labelSet(prob: Float32Array, best: number): number {
    const inside: number[] = [];
    prob.forEach((value, label) => {
      if (value >= this.setProb[label] || label === best) inside.push(label);
    });
    inside.sort((a, b) => prob[b] - prob[a]);
    const text = inside.map((label) => this.manifest.labels[label]).join(";");
    const known = this.sets.get(text);
    if (known !== undefined) return known;
    this.sets.set(text, this.sets.size);
    return this.sets.size - 1;
  }

  private noveltyColumns(library: Float64Array, answers: Answers): ResultColumn[] {
    const score = answers.get("novelty_score")!.data;
    const least = Math.fround(this.manifest.thresholds.novelty_p);
    const p = Float32Array.from(library, (counts, cell) =>
      counts <= 0 ? 1 : noveltyP(this.novelty, score[cell], counts, this.measuredShare),
    );
    return [
      { name: "cellport_novelty_p", kind: "float", values: p },
      { name: "cellport_novel", kind: "bool", values: Uint8Array.from(p, (v) => Number(v < least)) },
    ];
  }

  private quality(library: Float64Array): ResultColumn {
    const { low_gene_coverage: coverage, low_depth: depth } = this.manifest.thresholds;
    const usual = QC.indexOf(this.measuredShare < coverage ? "low_gene_coverage" : "ok");
    const values = Int32Array.from(library, (counts) => {
      if (counts <= 0) return QC.indexOf("empty");
      return counts < depth ? QC.indexOf("low_depth") : usual;
    });
    return { name: "cellport_qc", kind: "category", categories: QC, values };
  }

  private checkAnswers(answers: Answers): void {
    const widths: [string, number][] = [
      ["latent", this.manifest.nLatent],
      ["novelty_score", 1],
      ["umap", 2],
      ...structureWidths(this.structure),
    ];
    if (this.manifest.labels.length) widths.push(["label_prob", this.manifest.labels.length]);
    for (const [name, width] of widths) {
      if (answers.get(name)?.width !== width) {
        throw new AtlasError(
          `The network of atlas '${this.manifest.name}' does not answer '${name}' of width ` +
            `${width}, as its manifest says; publish the atlas again.`,
        );
      }
    }
  }
}

function matrix(name: string, answer: { width: number; data: Float32Array }): ResultMatrix {
  return { name, width: answer.width, values: answer.data };
}
