/** Why the cells of a mapping have their labels: by type, of the cells kept of each, and by cell. */

import type { Manifest } from "../../atlas/manifest";
import { type Graph, readGraph } from "../../atlas/network/graph";
import type { Parts } from "../../atlas/parts";
import decisions from "../../decisions";
import { AtlasError } from "../../errors";
import type { CountedCell } from "./counted";
import { Explainer } from "./evidence";
import { type LabelGenes, STEPS_OF_TYPE } from "./label_genes";
import { type LabelReasons, reasonsOfCell, reasonsOfType } from "./reasons";

const STEPS_OF_CELL = 64;
const NETWORK = "encoder_tail.onnx";

export class Why {
  private readonly known = new Map<number, LabelReasons>();
  private graph: Promise<Graph> | null = null;
  /** Labels whose genes can be told, the most common first. */
  readonly labels: readonly number[];

  constructor(
    private readonly parts: Parts,
    private readonly kept: LabelGenes,
  ) {
    this.labels = kept.labels;
  }

  /** The genes that spoke for a label over all of its cells. */
  async ofType(label: number): Promise<LabelReasons> {
    const explainer = await this.explainer(STEPS_OF_TYPE);
    const found = this.known.get(label) ?? reasonsOfType(explainer, this.kept.cellsOf(label), label, this.manifest);
    this.known.set(label, found);
    return found;
  }

  /** Those of all labels; none of an atlas whose network cannot be followed. */
  async ofTypes(): Promise<LabelReasons[]> {
    const found: LabelReasons[] = [];
    try {
      for (const label of this.labels) found.push(await this.ofType(label));
    } catch (error) {
      if (error instanceof AtlasError) return [];
      throw error;
    }
    return found;
  }

  /** The genes that spoke for a label of one cell; nothing speaks for anything without counts. */
  async ofCell(cell: CountedCell, label: number): Promise<LabelReasons> {
    if (!cell.counts.some((count) => count > 0)) return nothing;
    return reasonsOfCell(await this.explainer(STEPS_OF_CELL), cell, label, this.manifest);
  }

  private get manifest(): Manifest {
    return this.parts.manifest;
  }

  private async explainer(steps: number): Promise<Explainer> {
    const { name } = this.manifest;
    this.graph ??= this.parts.bytes(NETWORK).then((model) => readGraph(model, `${name}, ${NETWORK}`));
    return new Explainer(await this.graph, this.manifest, steps);
  }
}

const nothing: LabelReasons = {
  label: decisions.values.unknown,
  runnerUp: "",
  cells: 1,
  probability: 0,
  genes: [],
  probabilityWithout: 0,
};
