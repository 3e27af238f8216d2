/** Genes that a query lists and did not measure: no count in any cell, against all chance.
 *
 * Same as `runtime/mapping/genes/listed.py` of the Python package.
 */

import type { Manifest } from "../atlas/manifest";
import { panelNames } from "../atlas/manifest";
import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { countDuplicated, countsByRule, type GeneMatch } from "../genes/match";
import { RULES } from "../genes/rules";
import { inPercent } from "../words";
import type { CountBlock, Matrix } from "../sources/source";

const { listed } = decisions;
const SCALE = 1e4;
const BLOCK = 2048;
const NAMED = 3;
const TINY = 1e-12;
const OF_SEX = new RegExp(`^(?:${listed.sex_genes.value})$`, "i");

type Blocks = (blockCells: number) => AsyncGenerator<CountBlock>;

interface Sums {
  /** [panel], sums of log(1 + counts per 10,000), of cells that are not empty. */
  values: Float64Array;
  /** [panel], cells with a count that are not empty. */
  cells: Float64Array;
  /** [panel], 1 where any cell has a count. */
  seen: Uint8Array;
  /** Counts of panel genes in cells that are not empty. */
  n: number;
}

/** Positions in the panel of genes that were not measured; `profiles` reads `label_mean`. */
export async function findUnmeasured(
  matrix: Matrix,
  blocks: Blocks,
  genes: GeneMatch,
  profiles: () => Promise<Float32Array>,
  symbols: readonly string[],
): Promise<number[]> {
  const mayLack = Uint8Array.from(symbols, (symbol) => Number(!OF_SEX.test(symbol)));
  try {
    return await found(matrix, blocks, genes, profiles, mayLack);
  } catch (error) {
    // mapping says what is wrong with which cells
    if (error instanceof InputError) return [];
    throw error;
  }
}

async function found(
  matrix: Matrix,
  blocks: Blocks,
  genes: GeneMatch,
  profiles: () => Promise<Float32Array>,
  mayLack: Uint8Array,
): Promise<number[]> {
  const { measured, panelColumn } = genes;
  const fewest = listed.fewest_genes.value;
  const empty = matrix.emptyGenes?.();
  if (empty && panelColumn.filter((column, gene) => column >= 0 && empty[gene]).length < fewest) {
    return [];
  }
  const { nCells } = matrix;
  const [first, allSeen] = await firstCells(blocks, genes, nCells);
  if (measured.filter((has, gene) => has && !first.seen[gene]).length < fewest) return [];
  const means = await profiles();
  const judged = (sums: Sums, sure: boolean) =>
    unmeasured(sums, measured, means, sure, mayLack.map((may, gene) => may && 1 - sums.seen[gene]));
  let positions = judged(first, allSeen);
  if (!allSeen && (positions.length >= fewest || !enough(first))) {
    positions = judged(await summed(blocks(BLOCK), genes, nCells), true);
  }
  return positions.length >= fewest ? positions : [];
}

function enough(sums: Sums): boolean {
  return sums.n >= listed.values_looked_at.value;
}

/** Sums over the first cells, more of them where these are empty, and whether these are all. */
async function firstCells(
  blocks: Blocks,
  genes: GeneMatch,
  nCells: number,
): Promise<[Sums, boolean]> {
  const n = Math.min(listed.cells_looked_at.value, nCells);
  const most = Math.min(listed.most_cells_looked_at.value, nCells);
  const first = await summed(blocks(n), genes, n);
  if (enough(first) || n === most) return [first, n === nCells];
  const more = await summed(blocks(BLOCK), genes, most, enough);
  // whatever came behind enough of them has not been seen
  return [more, !enough(more) && most === nCells];
}

/** A match in which some panel genes are not measured, and that says so. */
export function without(
  genes: GeneMatch,
  found: readonly number[],
  manifest: Manifest,
  minimum: number,
  source: string,
): GeneMatch {
  if (!found.length) return genes;
  const all = panelNames(manifest);
  const gone = new Set(found);
  const names = found.map((gene) => all[gene]);
  const nMatched = genes.nMatched - found.length;
  const counts = { source, genes: found.length };
  if (nMatched < minimum * all.length) {
    const examples = names.slice(0, NAMED).join(", ");
    const said = { matched: nMatched, panel: all.length, minimum: inPercent(minimum), examples };
    throw new InputError(say(listed.too_few, { ...counts, ...said }));
  }
  const examples = names.slice(0, listed.named.value).join(", ");
  const panelColumn = genes.panelColumn.map((gene) => (gone.has(gene) ? -1 : gene));
  const rule = genes.rule.map((one, gene) => (gone.has(gene) ? RULES.length : one));
  return {
    ...genes,
    panelColumn,
    rule,
    byRule: countsByRule(rule),
    nDuplicated: countDuplicated(panelColumn),
    measured: genes.measured.map((has, gene) => (gone.has(gene) ? 0 : has)),
    nMatched,
    missing: [...genes.missing, ...names],
    warnings: [...genes.warnings, say(listed.note, { ...counts, examples })],
  };
}

async function summed(
  blocks: AsyncGenerator<CountBlock>,
  genes: GeneMatch,
  stop: number,
  done: (sums: Sums) => boolean = () => false,
): Promise<Sums> {
  const n = genes.measured.length;
  const [values, cells] = [new Float64Array(n), new Float64Array(n)];
  const sums = { values, cells, seen: new Uint8Array(n), n: 0 };
  for await (const block of blocks) {
    addBlock(sums, block, genes.panelColumn);
    if (block.start + block.nCells >= stop || done(sums)) break;
  }
  return sums;
}

function addBlock(sums: Sums, { indptr, indices, data, nCells }: CountBlock, column: Int32Array) {
  for (let cell = 0; cell < nCells; cell++) {
    let library = 0;
    for (let at = indptr[cell]; at < indptr[cell + 1]; at++) {
      if (column[indices[at]] >= 0) library += data[at];
    }
    for (let at = indptr[cell]; at < indptr[cell + 1]; at++) {
      const gene = column[indices[at]];
      if (gene < 0 || !(data[at] > 0)) continue;
      sums.seen[gene] = 1;
      if (library < listed.least_counts.value) continue;
      sums.n += 1;
      sums.values[gene] += Math.log1p((data[at] * SCALE) / library);
      sums.cells[gene] += 1;
    }
  }
}

/** Genes without a count that many cells should have; not `sure`, less is asked for. */
function unmeasured(
  { values, cells }: Sums,
  measured: Uint8Array,
  profiles: Float32Array,
  sure: boolean,
  asked: Uint8Array,
): number[] {
  const positions = [...values.keys()];
  const total = (of: Float64Array) => of.reduce((sum, value) => sum + value, 0);
  const each = total(cells) / Math.max(total(values), TINY);
  const least = sure ? listed.expected.value : 0;
  const { expected_at_least: ofAll, expected_of_few: ofFew } = listed;
  const surely = sure ? ofAll.value : ofFew.value;
  let found = positions.filter((gene) => measured[gene] && !cells[gene] && asked[gene]);
  let known = measured;
  let share = 0;
  // once more without those found, which drew the mixture to types that hardly have them
  for (let round = 0; round < 2; round++) {
    const expected = mixed(values, profiles, known);
    const ratios = positions
      .filter((gene) => cells[gene] && expected[gene] * each >= listed.common.value)
      .map((gene) => values[gene] / expected[gene])
      .sort((one, other) => one - other);
    if (Math.min(found.length, ratios.length) < listed.fewest_genes.value) return [];
    const rarest = Math.min(quantile(ratios, listed.quantile.value), 1);
    found = found.filter((gene) => {
      const n = expected[gene] * each;
      return n * rarest >= surely && n >= least;
    });
    const gone = new Set(found);
    known = measured.map((has, gene) => (gone.has(gene) ? 0 : has));
    share = summedOver(expected, found) / summedOver(expected, positions.filter((g) => measured[g]));
  }
  return share < listed.least_share.value ? [] : found;
}

function summedOver(of: Float64Array, positions: readonly number[]): number {
  return positions.reduce((sum, gene) => sum + of[gene], 0);
}

/** Of sorted numbers, linearly between two, as numpy has it. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** Mix profiles so that they come nearest to sums over cells, in the Poisson likelihood.
 *
 * Of the `known` genes; what the mixture expects of the others comes with it.
 */
function mixed(values: Float64Array, profiles: Float32Array, known: Uint8Array): Float64Array {
  const n = values.length;
  const exact = Array.from({ length: profiles.length / n }, (_, row) =>
    Float64Array.from(profiles.subarray(row * n, (row + 1) * n)),
  );
  const fitted = exact.map((row) => row.map((value, gene) => (known[gene] ? value : 0)));
  const ones = new Float64Array(n).fill(1);
  const totals = fitted.map((row) => dot(row, ones));
  const all = Math.max(totals.reduce((sum, one) => sum + one, 0), TINY);
  const weights = totals.map(() => dot(values, ones) / all);
  for (let step = 0; step < listed.steps.value; step++) {
    const expected = weighted(weights, fitted);
    const ratio = values.map((value, gene) => (expected[gene] > 0 ? value / expected[gene] : 0));
    fitted.forEach((row, r) => {
      weights[r] *= dot(row, ratio) / Math.max(totals[r], TINY);
    });
  }
  return weighted(weights, exact);
}

function dot(one: Float64Array, other: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
}

function weighted(weights: readonly number[], rows: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(rows[0].length);
  rows.forEach((row, r) => {
    for (let i = 0; i < sum.length; i++) sum[i] += weights[r] * row[i];
  });
  return sum;
}
