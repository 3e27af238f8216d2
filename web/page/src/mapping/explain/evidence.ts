/** What each gene of a cell adds to the log-odds of its label.
 *
 * Same as `runtime/mapping/explain/evidence.py` of the Python package, which says how, by integrated
 * gradients: Sundararajan, Taly and Yan 2017, ICML, "Axiomatic attribution for deep networks".
 */

import type { Manifest } from "../../atlas/manifest";
import type { Graph } from "../../atlas/network/graph";
import { type Run, run } from "../../atlas/network/gradient";
import { tensor, type Tensor } from "../../atlas/network/tensor";
import { type CountedCell, featuresOf, valuesOf } from "./counted";
import { gaussLegendre } from "./quadrature";
import { closestOther, slopes } from "./odds";

// places on the way that are taken at once: what is kept of a hundred cells then fits a cache
const AT_ONCE = 4;

/** What the genes of one cell say of one label. */
export interface Evidence {
  /** Of each gene of the cell, in their order, what it adds to the log-odds of the label against
   * all others, and against the runner-up. */
  forLabel: Float64Array;
  againstRunnerUp: Float64Array;
  /** The most probable of the other labels. */
  runnerUp: number;
  /** Of the label; NaN where there is none. */
  probability: number;
}

/** The network of an atlas from its labels back to the counts. */
export class Explainer {
  private readonly places: readonly { place: number; weight: number }[];

  constructor(
    private readonly graph: Graph,
    private readonly manifest: Manifest,
    steps: number,
  ) {
    this.places = gaussLegendre(steps);
  }

  /** What speaks for one label in each of some cells. */
  evidence(cells: readonly CountedCell[], label: number): Evidence[] {
    const features = featuresOf(cells);
    const width = features.length / cells.length;
    const answer = this.run(features, width).value;
    const others = cells.map((_, i) => closestOther(rowsOf(answer, i), label, this.manifest));
    const [rest, other] = this.slopes(features, width, label, others);
    return cells.map((cell, i) => {
      const [start, end] = [i * width, (i + 1) * width];
      return {
        forLabel: contributions(cell, rest.subarray(start, end)),
        againstRunnerUp: contributions(cell, other.subarray(start, end)),
        runnerUp: others[i],
        probability: this.sure(rowsOf(answer, i), label, cell),
      };
    });
  }

  /** Probability of a label in each cell, as mapping gives it; NaN where there is none. */
  probability(cells: readonly CountedCell[], label: number): Float64Array {
    const features = featuresOf(cells);
    const answer = this.run(features, features.length / cells.length).value;
    return Float64Array.from(cells, (cell, i) => this.sure(rowsOf(answer, i), label, cell));
  }

  /** Mean gradients between the average cell, all of whose features are 0, and the cells. */
  private slopes(
    features: Float64Array,
    width: number,
    label: number,
    others: readonly number[],
  ): [Float64Array, Float64Array] {
    const found: [Float64Array, Float64Array] = [new Float64Array(features.length), new Float64Array(features.length)];
    for (let start = 0; start < this.places.length; start += AT_ONCE) {
      const part = this.places.slice(start, start + AT_ONCE);
      const way = new Float64Array(part.length * features.length);
      part.forEach(({ place }, i) => way.set(features.map((one) => place * one), i * features.length));
      const there = this.run(way, width);
      slopes(there.value, label, others, this.manifest).forEach((change, kind) => {
        const { values } = there.gradient(change);
        const total = found[kind];
        part.forEach(({ weight }, i) => {
          const from = i * features.length;
          for (let f = 0; f < total.length; f++) total[f] += weight * values[from + f];
        });
      });
    }
    return found;
  }

  private run(features: Float64Array, width: number): Run {
    const kinds: Record<string, string> = { sigmoids: "label_score", prototypes: "label_distance" };
    const { name, head } = this.manifest;
    const values = tensor([features.length / width, width], features);
    return run(this.graph, "features", values, kinds[head.kind] ?? "label_prob", name);
  }

  /** Probability as mapping gives it. */
  private sure(answer: Float64Array, label: number, { basis: { information } }: CountedCell): number {
    const { kind, calibration } = this.manifest.head;
    if (kind === "prototypes") return NaN;
    if (kind === "sigmoids") return 1 / (1 + Math.exp(-answer[label]));
    const power = calibration.information_power;
    if (!power || information >= 1) return answer[label];
    const known = 1 - (1 - information) ** power;
    return known * answer[label] + (1 - known) / answer.length;
  }
}

function rowsOf({ shape, values }: Tensor, row: number): Float64Array {
  const width = shape[1];
  return values.subarray(row * width, (row + 1) * width);
}

/** Slopes times what moved: 0 for genes without a count. */
function contributions(cell: CountedCell, slope: Float64Array): Float64Array {
  const { fitted, mean } = cell.basis;
  return valuesOf(cell).map((value, k) => {
    if (value <= 0) return 0;
    const { [k]: gene } = cell.genes;
    const row = gene * fitted.width;
    let sum = 0;
    for (let f = 0; f < fitted.width; f++) sum += slope[f] * fitted.basis[row + f];
    return (value - mean[gene]) * sum;
  });
}
