/** How far a query spreads in the latent beside its reference, gathered while it is mapped.
 *
 * Same as `runtime/report/background.py` of the Python package.
 */

import type { Manifest } from "../atlas/manifest";
import type { Parts } from "../atlas/parts";
import decisions from "../decisions";
import type { MappedBlock } from "./columns";

const { columns: names, values } = decisions;
// a dimension that varies less than this share of the widest one says nothing
const FLAT = 1e-3;

/** Mean squared z-scores under the reference's mean and deviation: of the cells, and of reference
 * cells in the same proportions of labels. */
export interface Spread {
  found: number;
  expected: number;
}

/** Well below 1: the query is compressed; well above: it is shifted. */
export function ratioOf({ found, expected }: Spread): number {
  return expected > 0 ? found / expected : 1;
}

export class QuerySpread {
  private cells = 0;
  private readonly sum: Float64Array;
  private readonly squares: Float64Array;
  private readonly byLabel: Float64Array;

  constructor({ n_latent: width, labels }: Manifest) {
    this.sum = new Float64Array(width);
    this.squares = new Float64Array(width);
    this.byLabel = new Float64Array(labels.length);
  }

  add({ nCells, columns, matrices }: MappedBlock): void {
    const quality = columns.find(({ name }) => name === names.quality)?.values;
    const label = columns.find(({ name }) => name === names.label)?.values;
    const latent = matrices.find(({ name }) => name === names.latent);
    const empty = values.qualities.indexOf("empty");
    const width = this.sum.length;
    for (let cell = 0; cell < nCells; cell++) {
      if (label && label[cell] < this.byLabel.length) this.byLabel[label[cell]]++;
      if (!latent || quality?.[cell] === empty) continue;
      this.cells++;
      for (let d = 0; d < width; d++) {
        const value = latent.values[cell * width + d];
        this.sum[d] += value;
        this.squares[d] += value * value;
      }
    }
  }

  /** Mean squared z-score of the query's cells, beside that of reference cells in the same
   * proportions of labels; null for a query of empty cells. */
  async beside(parts: Parts): Promise<Spread | null> {
    const latent = (await parts.array("reference_latent")).data as Float32Array;
    const label = (await parts.array("reference_label")).data;
    if (!this.cells) return null;
    const width = this.sum.length;
    const { mean, sd } = meanAndSd(latent, width);
    const widest = Math.max(...sd);
    const wide = [...sd.keys()].filter((d) => sd[d] > FLAT * widest);
    const square = (d: number) =>
      (this.squares[d] - 2 * mean[d] * this.sum[d] + this.cells * mean[d] ** 2) /
      (sd[d] ** 2 * this.cells);
    const found = wide.length ? wide.reduce((sum, d) => sum + square(d), 0) / wide.length : 1;
    const expected = this.expected(spreadOfLabels(latent, label, this.byLabel.length, mean, sd, wide));
    return { found, expected };
  }

  private expected(ofLabel: Float64Array): number {
    let [sum, known] = [0, 0];
    this.byLabel.forEach((cells, code) => {
      sum += cells * ofLabel[code];
      known += cells;
    });
    return known ? sum / known : 1;
  }
}

function meanAndSd(latent: Float32Array, width: number) {
  const n = Math.max(latent.length / width, 1);
  const mean = new Float64Array(width);
  const sd = new Float64Array(width);
  latent.forEach((value, i) => (mean[i % width] += value / n));
  latent.forEach((value, i) => (sd[i % width] += (value - mean[i % width]) ** 2 / n));
  return { mean, sd: sd.map(Math.sqrt) };
}

/** Mean squared z-score of the reference cells of each label; 1 of one without any. */
function spreadOfLabels(
  latent: Float32Array,
  label: ArrayLike<number>,
  labels: number,
  mean: Float64Array,
  sd: Float64Array,
  wide: readonly number[],
): Float64Array {
  const total = new Float64Array(labels);
  const cells = new Float64Array(labels);
  for (let cell = 0; cell < label.length; cell++) {
    if (label[cell] < 0) continue;
    cells[label[cell]]++;
    for (const d of wide) {
      const z = (latent[cell * mean.length + d] - mean[d]) / sd[d];
      total[label[cell]] += (z * z) / wide.length;
    }
  }
  return total.map((sum, code) => (cells[code] ? sum / cells[code] : 1));
}
