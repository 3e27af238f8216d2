/** Panel counts of mapped cells, kept in little memory to colour by gene and to compare cells. */

import { joined } from "../sources/source";
import type { CellFeatures, PanelGenes, QueryBasis } from "./features";

// of genes, and of counts that are whole and no larger; other counts take four bytes
const MOST_BYTES = 160_000_000;
const LARGEST = 65_535;
// what label_mean is in, whatever an atlas scales counts to before it maps them (docs/format.md)
const LIBRARY = 10_000;

/** What cells are scaled to where genes are shown or compared with the labels' means. */
export function shownTarget({ target }: QueryBasis, panel: PanelGenes): number {
  return (LIBRARY * target) / panel.target;
}

interface KeptBlock {
  genes: Uint16Array;
  counts: Uint16Array | Float32Array;
  ends: Int32Array;
  /** What each cell's counts are multiplied with before the logarithm. */
  scale: Float32Array;
  divisor: Float64Array;
}

export class KeptCounts {
  private readonly blocks: KeptBlock[] = [];
  private bytes = 0;

  constructor(nPanel: number, whole: boolean) {
    this.fits = nPanel <= LARGEST && whole;
  }

  /** False once there are too many to be kept. */
  fits: boolean;

  /** Take in cells that are scaled to `target`. */
  add(encoded: CellFeatures, target: number): void {
    if (!this.fits) return;
    const counts = compact(encoded.counts);
    this.bytes += 2 * encoded.genes.length + counts.byteLength;
    if (this.bytes > MOST_BYTES) {
      this.fits = false;
      this.blocks.length = 0;
      return;
    }
    this.blocks.push({
      genes: new Uint16Array(encoded.genes),
      counts,
      ends: encoded.ends,
      scale: cellScales(encoded.library, target),
      divisor: encoded.divisor,
    });
  }

  /** Counts of one cell, as of a block of one; null where they were not kept. */
  cell(cell: number): Pick<CellFeatures, "genes" | "counts" | "ends" | "divisor"> | null {
    let first = 0;
    for (const { genes, counts, ends, divisor } of this.blocks) {
      const at = cell - first;
      first += divisor.length;
      if (cell >= first) continue;
      const own = counts.subarray(ends[at], ends[at + 1]);
      return {
        genes: Int32Array.from(genes.subarray(ends[at], ends[at + 1])),
        counts: Float32Array.from(own),
        ends: Int32Array.of(0, own.length),
        divisor: divisor.slice(at, at + 1),
      };
    }
    return null;
  }

  /** Log-normalised values of one gene in all cells. */
  gene(gene: number): Float32Array {
    return joined(this.blocks.map((block) => geneValues(block, gene)));
  }

  /** Call with each panel gene of a cell, cells in order, and its log-normalised value. */
  forEach(visit: Visit): void {
    let first = 0;
    for (const block of this.blocks) {
      const start = first;
      eachValue(block, (cell, gene, value) => visit(start + cell, gene, value));
      first += block.scale.length;
    }
  }
}

/** Counts of cells, those of each between its ends, and what its counts are multiplied with. */
export interface ScaledCounts {
  genes: ArrayLike<number>;
  counts: ArrayLike<number>;
  ends: Int32Array;
  scale: Float32Array;
}

/** Called with a cell, a panel gene, and its log-normalised value. */
export type Visit = (cell: number, gene: number, value: number) => void;

/** Call with each gene of a cell of a block, cells in order, and its log-normalised value. */
export function eachValue(
  { genes, counts, ends, scale }: ScaledCounts,
  visit: Visit,
): void {
  for (let cell = 0; cell < scale.length; cell++) {
    for (let k = ends[cell]; k < ends[cell + 1]; k++) {
      visit(cell, genes[k], Math.log1p(counts[k] * scale[cell]));
    }
  }
}

/** Counts in two bytes each where all are whole and fit: reads of Smart-seq2 reach a million. */
function compact(counts: Float32Array): Uint16Array | Float32Array {
  // many times as fast as Uint16Array.from with a function
  const out = new Uint16Array(counts.length);
  for (let k = 0; k < out.length; k++) {
    out[k] = counts[k];
    if (out[k] !== counts[k]) return counts.slice();
  }
  return out;
}

export function cellScales(library: Float64Array, target: number): Float32Array {
  return Float32Array.from(library, (total) => (total > 0 ? target / total : 0));
}

/** Log-normalised values of one gene in the cells of a block. */
export function geneValues(block: ScaledCounts, gene: number): Float32Array {
  const { genes, counts, ends, scale } = block;
  const values = new Float32Array(scale.length);
  for (let cell = 0; cell < scale.length; cell++) {
    for (let k = ends[cell]; k < ends[cell + 1]; k++) {
      if (genes[k] === gene) values[cell] = Math.log1p(counts[k] * scale[cell]);
    }
  }
  return values;
}
