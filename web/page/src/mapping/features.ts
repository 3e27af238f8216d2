/** Linear features straight from the raw counts of a query: no intermediate matrix.
 *
 * Same sum as `kernels/features.py` of the Python package: over the panel genes of
 * (min(log1p(count * target / library), cap) - mean) * basis. Genes that the query lacks stand at
 * what the others make most likely, or add nothing; a library over the panel is scaled to the share
 * of counts that the genes that are there hold.
 */

import type { NpyArray } from "../atlas/npy";
import type { Parts } from "../atlas/parts";
import type { Features } from "../atlas/session";
import { representatives } from "../genes/match";
import type { CountBlock } from "../sources/source";
import { basisOfMeasured, type FactorModel } from "./missing_genes";

/** What an atlas makes features with. */
export interface PanelGenes {
  basis: NpyArray;
  /** Infinite where values are not capped. */
  cap: Float32Array;
  /** 0 where values are not centred. */
  mean: Float32Array;
  /** Null where the library of the genes that are there is taken as it is. */
  share: Float32Array | null;
  /** Null where missing genes add nothing. */
  factors: FactorModel | null;
  library: Library;
  /** Counts that a cell with all genes is scaled to; 1 without a library. */
  target: number;
  /** Whether log(1 + x) of what was scaled is taken. */
  log1p: boolean;
  /** [panel], the next place of a gene that comes again, or -1. */
  twin: Int32Array;
}

/** What counts are divided by: nothing, or their sum over the panel or over the query's genes. */
type Library = "panel" | "query" | "none";

/** What puts genes on the reference's scale, [panel]: a value v becomes slope v + shift. */
export interface GeneScaling {
  slope: Float64Array;
  shift: Float64Array;
}

/** The basis fitted to the genes of one query. */
export interface QueryBasis {
  /** [query genes], row of `basis` and `cap`, or -1. */
  panelColumn: Int32Array;
  basis: Float32Array;
  cap: Float32Array;
  /** [features], of a cell in which every gene stands at 0. */
  offset: Float32Array;
  width: number;
  library: Library;
  /** [query genes], 1 for those in the library of the query. */
  counted: Uint8Array;
  /** Counts that a cell is scaled to. */
  target: number;
  log1p: boolean;
  /** As of `PanelGenes`; null where nothing comes twice. */
  twin: Int32Array | null;
}

export interface CellFeatures {
  features: Features;
  library: Float64Array;
  /** What the counts of each cell are divided by; 1 where there are none. */
  divisor: Float64Array;
  /** Panel genes of all cells, cell after cell, and their counts: for colouring by gene. */
  genes: Int32Array;
  counts: Float32Array;
  ends: Int32Array;
}

// counts below have their logarithm computed once a cell
const TABLED = 64;

export async function readPanelGenes(parts: Parts): Promise<PanelGenes> {
  const { input, fill, panel } = parts.manifest;
  const nGenes = panel.symbols.length;
  const read = async (name: string) => (await parts.array(name)).data as Float32Array;
  const [basis, cap, mean, share, factors] = await Promise.all([
    parts.array("basis"),
    input.cap ? read("gene_cap") : new Float32Array(nGenes).fill(Infinity),
    input.centre ? read("gene_mean") : new Float32Array(nGenes),
    fill === "factors" ? read("gene_share") : null,
    fill === "factors" ? readFactors(parts) : null,
  ]);
  const { library, target, log1p } = input;
  const twin = twins(representatives(panel));
  return { basis, cap, mean, share, factors, library, target: target ?? 1, log1p, twin };
}

async function readFactors(parts: Parts): Promise<FactorModel> {
  const [loading, noise] = await Promise.all(
    ["gene_loading", "gene_noise"].map((name) => parts.array(name)),
  );
  return { loading, noise };
}

/** Lead from each place of a gene in the panel to its next, or to -1. */
function twins(own: Int32Array): Int32Array {
  const next = new Int32Array(own.length).fill(-1);
  const last = new Map<number, number>();
  own.forEach((first, gene) => {
    const before = last.get(first);
    if (before !== undefined) next[before] = gene;
    last.set(first, gene);
  });
  return next;
}

/** Fit the basis to the genes of one query. */
export function queryBasis(
  arrays: PanelGenes,
  panelColumn: Int32Array,
  measured: Uint8Array,
  counted: Uint8Array,
  scaling: GeneScaling | null = null,
): QueryBasis {
  const width = arrays.basis.shape[1];
  const { factors } = arrays;
  const plain = arrays.basis.data as Float32Array;
  const basis = factors ? basisOfMeasured(plain, factors, measured) : plain;
  const centre = new Float64Array(width);
  let share = 0;
  measured.forEach((has, gene) => {
    if (!has) return;
    share += arrays.share?.[gene] ?? 0;
    const mean = arrays.mean[gene] - (scaling?.shift[gene] ?? 0);
    for (let f = 0; f < width; f++) centre[f] += mean * basis[gene * width + f];
  });
  return {
    panelColumn,
    basis: scaling ? scaled(basis, scaling.slope) : basis,
    cap: scaling ? arrays.cap.map((cap, gene) => capOf(cap, scaling, gene)) : arrays.cap,
    offset: Float32Array.from(centre, (value) => -value),
    width,
    library: arrays.library,
    counted,
    target: arrays.target * (arrays.share ? share : 1),
    log1p: arrays.log1p,
    twin: arrays.twin.some((gene) => gene >= 0) ? arrays.twin : null,
  };
}

function scaled(basis: Float32Array, slope: Float64Array): Float32Array {
  const width = basis.length / slope.length;
  return basis.map((weight, at) => weight * slope[Math.floor(at / width)]);
}

/** The largest value let through, of one that is scaled afterwards. */
function capOf(cap: number, { slope, shift }: GeneScaling, gene: number): number {
  return Math.max((cap - shift[gene]) / slope[gene], 0);
}

/** Features of raw counts; a cell without counts in the panel gets the offset. */
export function linearFeatures(fitted: QueryBasis, block: CountBlock): CellFeatures {
  const { width, cap, offset } = fitted;
  const values = new Float32Array(block.nCells * width);
  const library = new Float64Array(block.nCells);
  const divisor = new Float64Array(block.nCells).fill(1);
  const ends = new Int32Array(block.nCells + 1);
  const again = fitted.twin?.reduce((sum, gene) => sum + Number(gene >= 0), 0) ?? 0;
  const room = block.data.length + again * block.nCells;
  const genes = new Int32Array(room);
  const counts = new Float32Array(room);
  const logs = new Float64Array(Math.max(1, room));
  const slot = new Int32Array(cap.length);
  const logarithms = new Logarithms(fitted.log1p);
  const sum = new Float64Array(width);
  let n = 0;
  for (let cell = 0; cell < block.nCells; cell++) {
    const first = n;
    n = select(fitted, block, cell, genes, counts, first, slot);
    let total = 0;
    for (let k = first; k < n; k++) total += counts[k];
    library[cell] = total;
    if (fitted.twin) n = withTwins(fitted.twin, genes, counts, first, n);
    ends[cell + 1] = n;
    if (total > 0) divisor[cell] = divisorOf(fitted, block, cell, total);
    logarithms.start(total > 0 ? fitted.target / divisor[cell] : 0);
    for (let k = first; k < n; k++) {
      logs[k - first] = Math.min(logarithms.of(counts[k]), cap[genes[k]]);
    }
    sum.set(offset);
    addRows(sum, fitted.basis, genes.subarray(first, n), logs);
    values.set(sum, cell * width);
  }
  const features = { width, values };
  return { features, library, divisor, genes: genes.slice(0, n), counts: counts.slice(0, n), ends };
}

/** What a cell's counts are divided by; `total` are those over the panel. */
function divisorOf(fitted: QueryBasis, block: CountBlock, cell: number, total: number): number {
  if (fitted.library === "none") return 1;
  if (fitted.library === "panel") return total;
  let sum = 0;
  for (let k = block.indptr[cell]; k < block.indptr[cell + 1]; k++) {
    sum += block.data[k] * fitted.counted[block.indices[k]];
  }
  return sum;
}

/** log1p(count * scale) of one cell; most counts are small and come again and again. */
class Logarithms {
  private readonly known = new Float64Array(TABLED);
  private scale = 0;

  /** Without `log1p` the scaled counts themselves. */
  constructor(private readonly log1p: boolean) {}

  start(scale: number): void {
    this.scale = scale;
    this.known.fill(-1);
  }

  of(count: number): number {
    if (!this.log1p) return count * this.scale;
    if (count >= TABLED || count !== Math.floor(count)) return Math.log1p(count * this.scale);
    const found = this.known[count];
    if (found >= 0) return found;
    return (this.known[count] = Math.log1p(count * this.scale));
  }
}

/** Write a cell's panel genes and their summed counts from `first` on; return where they end. */
function select(
  fitted: QueryBasis,
  block: CountBlock,
  cell: number,
  genes: Int32Array,
  counts: Float32Array,
  first: number,
  slot: Int32Array,
): number {
  const { panelColumn } = fitted;
  const end = block.indptr[cell + 1];
  let n = first;
  for (let k = block.indptr[cell]; k < end; k++) {
    const gene = panelColumn[block.indices[k]];
    if (gene < 0) continue;
    // slot says where the gene was put last; checking it there spares clearing it for every cell
    const at = slot[gene];
    if (at >= first && at < n && genes[at] === gene) {
      counts[at] += block.data[k];
    } else {
      slot[gene] = n;
      genes[n] = gene;
      counts[n++] = block.data[k];
    }
  }
  return n;
}

/** Put genes that come again behind a cell's others, with the same counts; return where they end. */
function withTwins(
  twin: Int32Array,
  genes: Int32Array,
  counts: Float32Array,
  first: number,
  end: number,
): number {
  let n = end;
  for (let k = first; k < end; k++) {
    for (let gene = twin[genes[k]]; gene >= 0; gene = twin[gene]) {
      genes[n] = gene;
      counts[n++] = counts[k];
    }
  }
  return n;
}

/** Add rows of the basis times values to `sum`: four at a time, at half the time of one. */
function addRows(
  sum: Float64Array,
  basis: Float32Array,
  rows: Int32Array,
  values: Float64Array,
): void {
  const width = sum.length;
  let k = 0;
  for (; k + 3 < rows.length; k += 4) {
    const a = rows[k] * width;
    const b = rows[k + 1] * width;
    const c = rows[k + 2] * width;
    addFour(sum, basis, a, b, c, rows[k + 3] * width, values, k);
  }
  for (; k < rows.length; k++) {
    const row = rows[k] * width;
    for (let f = 0; f < width; f++) sum[f] += values[k] * basis[row + f];
  }
}

function addFour(
  sum: Float64Array,
  basis: Float32Array,
  a: number,
  b: number,
  c: number,
  d: number,
  values: Float64Array,
  k: number,
): void {
  const va = values[k];
  const vb = values[k + 1];
  const vc = values[k + 2];
  const vd = values[k + 3];
  for (let f = 0; f < sum.length; f++) {
    sum[f] += va * basis[a + f] + vb * basis[b + f] + vc * basis[c + f] + vd * basis[d + f];
  }
}
