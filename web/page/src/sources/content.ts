/** What the values of a matrix are: counts, or what became of counts.
 *
 * Same decisions as `runtime/sources/content.py` of the Python package.
 */

import decisions from "../decisions";
import { type Entries, isFlat, ofDistinctCells, variesTooLittle } from "./dispersion";
import type { Sample } from "./source";

const { gate } = decisions;

export type Content = keyof typeof gate.in_words;
export type Faults = Record<keyof typeof gate.faults, number>;

/** The values of one cell: which there are, in rising order, and how many genes have each. */
interface Cell {
  levels: number[];
  genes: number[];
  n: number;
  total: number;
}

export function classify(sample: Sample, nGenes: number): Content {
  const faults = findFaults(sample.values);
  if (faults.nan) return "nan";
  if (faults.infinite) return "infinite";
  if (faults.negative) return faults.fractional ? "scaled" : "negative";
  if (faults.large) return "large";
  const kept: number[] = [];
  sample.values.forEach((value, i) => {
    if (value !== 0) kept.push(i);
  });
  if (!kept.length) return "empty";
  const values = kept.map((i) => sample.values[i]);
  const { cells, genes } = sample;
  const owners = cells && kept.map((i) => cells[i]);
  const near = faults.fractional ? nearestCounts(Float32Array.from(values)) : values;
  if (!near) return ofFractional(values, owners, nGenes);
  const found = whole([...near], owners, genes && kept.map((i) => genes[i]), nGenes);
  return found === "counts" && faults.fractional ? "nearly" : found;
}

/** What whole numbers are, of cells none of which is another's copy where genes are told. */
function whole(
  values: readonly number[],
  owners: readonly number[] | null,
  genes: readonly number[] | null,
  nGenes: number,
): Content {
  if (!owners || !genes) return ofWhole(values, owners, nGenes);
  const entries = ofDistinctCells({ values, cells: owners, genes });
  const found = ofWhole(entries.values, entries.cells, nGenes);
  const mayBe = ["counts", "alike"].includes(found) && values.some((value) => value > 1);
  return (mayBe ? byGene(entries) : null) ?? found;
}

/** What values of whole cells are by how genes vary, null where they may be counts. */
function byGene(entries: Entries): Content | null {
  if (variesTooLittle(entries)) return "damped";
  return isFlat(entries) ? "flat" : null;
}

/** The whole numbers that values are but for rounding; null where one is none. */
export function nearestCounts(values: Float32Array): Float32Array | null {
  const whole = new Float32Array(values.length);
  for (let k = 0; k < values.length; k++) {
    const x = values[k];
    // halves to even as in numpy, though none is near enough to matter
    const nearest = Math.round(x);
    const allowed = Math.min(gate.rounding.value * Math.max(x, 1), gate.most_rounding.value);
    if (!(Math.abs(x - nearest) <= allowed && (nearest >= 1 || x === 0))) return null;
    whole[k] = nearest;
  }
  return whole;
}

export function findFaults(values: Float32Array): Faults {
  const faults = { nan: 0, infinite: 0, negative: 0, fractional: 0, large: 0 };
  const largest = gate.largest_count.value;
  let bad = 0;
  for (let k = 0; k < values.length; k++) {
    const x = values[k];
    if (!(x >= 0 && x <= largest && x === Math.floor(x))) bad++;
  }
  if (!bad) return faults;
  for (const x of values) {
    if (Number.isNaN(x)) faults.nan++;
    else if (!Number.isFinite(x)) faults.infinite++;
    else {
      if (x < 0) faults.negative++;
      if (x !== Math.floor(x)) faults.fractional++;
      if (x > largest) faults.large++;
    }
  }
  return faults;
}

function ofWhole(values: readonly number[], owners: readonly number[] | null, nGenes: number): Content {
  if (values.every((value) => value <= 1)) {
    return neverTwice(owners, values.length, nGenes) ? "binary" : "counts";
  }
  const cells = cellsOf(values, owners);
  if (!cells.length) return "counts";
  if (ranked(cells, nGenes)) return "ranks";
  const fewest = Math.min(gate.fewest_with_gaps.value, cells.length);
  const enough = Math.max(gate.cells_with_gaps.value * cells.length, fewest);
  if (cells.filter(hasGap).length >= enough) return "rounded";
  return ofTotals(cells);
}

function ofFractional(
  values: readonly number[],
  owners: readonly number[] | null,
  nGenes: number,
): Content {
  const cells = cellsOf(values, owners);
  if (cells.length && ranked(cells, nGenes)) return "ranks";
  const small = values.every((value) => value < gate.largest_logarithm.value);
  const parts = values.filter((value) => value !== Math.floor(value));
  const whole = 1 - parts.length / values.length;
  if (whole > gate.mostly_whole.value) {
    if (small && wholeAfter(parts.map((value) => 2 ** value - 1))) return "log-normalised";
    return wholeAfter(parts.map((value) => value ** 2)) ? "roots" : "fractional";
  }
  if (owners) {
    const undone = (base: number) => values.map((value) => base ** value - 1);
    if (small && [Math.E, 2, 10].some((base) => rescaled(undone(base), owners))) {
      return "log-normalised";
    }
    if (rescaled(values, owners)) return "normalised";
    if (rescaled(values.map((value) => value ** 2), owners)) return "roots";
  }
  return small && whole < gate.hardly_whole.value ? "log-normalised" : "fractional";
}

/** Whether values turn whole when a logarithm or root is undone. */
function wholeAfter(powers: readonly number[]): boolean {
  const seen = powers.filter((power) => power < gate.largest_power.value);
  const near = seen.filter((x) => Math.abs(x - Math.round(x)) < gate.near_multiple.value);
  return seen.length > 0 && near.length / seen.length > gate.multiples.value;
}

/** Whether every cell's values are counts times a factor of that cell. */
function rescaled(values: readonly number[], owners: readonly number[]): boolean {
  const totals = new Map<number, number>();
  const smallest = new Map<number, number>();
  values.forEach((value, i) => {
    totals.set(owners[i], (totals.get(owners[i]) ?? 0) + value);
    smallest.set(owners[i], Math.min(smallest.get(owners[i]) ?? Infinity, value));
  });
  const sums = [...totals.values()];
  if (sums.length >= gate.fewest_totals.value && spread(sums) < gate.same_total.value) return true;
  let larger = 0;
  let near = 0;
  values.forEach((value, i) => {
    const multiple = value / smallest.get(owners[i])!;
    if (multiple > gate.larger_multiple.value) {
      larger++;
      if (Math.abs(multiple - Math.round(multiple)) < gate.near_multiple.value) near++;
    }
  });
  return larger > 0 && near / larger > gate.multiples.value;
}

/** Standard deviation in parts of the mean. */
function spread(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
  return Math.sqrt(variance) / mean;
}

/** Whether counts would have met in one gene of a cell, were they counts.
 *
 * Of k counts, k (k - 1) / 2 pairs could have: at least one in `nGenes` of them does.
 */
function neverTwice(owners: readonly number[] | null, n: number, nGenes: number): boolean {
  const ofCell = new Map<number, number>();
  for (const owner of owners ?? []) ofCell.set(owner, (ofCell.get(owner) ?? 0) + 1);
  const counts = owners ? [...ofCell.values()] : [n];
  const pairs = counts.reduce((sum, k) => sum + (k * (k - 1)) / 2, 0);
  return pairs / nGenes >= gate.expected_repeats.value;
}

/** The cells that have values enough to judge them by. */
function cellsOf(values: readonly number[], owners: readonly number[] | null): Cell[] {
  const parts = new Map<number, number[]>();
  owners?.forEach((owner, i) => {
    const part = parts.get(owner);
    if (part) part.push(values[i]);
    else parts.set(owner, [values[i]]);
  });
  return [...parts.values()].filter((part) => part.length >= gate.fewest_values.value).map(cellOf);
}

function cellOf(values: readonly number[]): Cell {
  const levels: number[] = [];
  const genes: number[] = [];
  for (const value of [...values].sort((a, b) => a - b)) {
    if (levels.length && levels[levels.length - 1] === value) genes[genes.length - 1]++;
    else {
      levels.push(value);
      genes.push(1);
    }
  }
  return { levels, genes, n: values.length, total: values.reduce((a, b) => a + b, 0) };
}

/** Whether values are places in an order, from either end and however ties were solved. */
function ranked(cells: readonly Cell[], nGenes: number): boolean {
  if (cells.every((cell) => inOrder(cell, 0) || inOrder(cell, nGenes - cell.n))) return true;
  const neverZero = nGenes >= gate.genes_never_zero.value && cells.every(({ n }) => n === nGenes);
  if (neverZero && cells.every(standsForZero)) return true;
  const several = (fewest: number) =>
    cells.filter((cell) => cell.levels.length >= fewest).length >= gate.fewest_totals.value;
  const withoutGap =
    several(gate.many_levels.value) &&
    cells.every(({ levels }) => levels[levels.length - 1] === levels.length);
  const enough = cells.length >= gate.cells_to_refuse.value;
  if (enough && (withoutGap || cells.every(isEven))) return true;
  return several(gate.few_levels.value) && cells.every((cell) => sameValues(cell, cells[0]));
}

/** Whether many genes of a cell have its smallest value, or its largest. */
function standsForZero({ genes, n }: Cell): boolean {
  return Math.max(genes[0], genes[genes.length - 1]) > gate.share_at_an_end.value * n;
}

/** Whether nearly all values differ, and lie as evenly as ranks do, not as counts. */
function isEven({ levels, n }: Cell): boolean {
  const middle = levels[Math.floor(levels.length / 2)];
  const largest = levels[levels.length - 1];
  return levels.length > gate.values_differ.value * n && largest < gate.shortest_tail.value * middle;
}

function sameValues(one: Cell, other: Cell): boolean {
  return (
    one.levels.length === other.levels.length &&
    one.levels.every((level, i) => level === other.levels[i] && one.genes[i] === other.genes[i])
  );
}

function inOrder(cell: Cell, zeros: number): boolean {
  if (cell.levels.length < gate.few_levels.value) return false;
  let rising = true;
  let falling = true;
  let below = 0;
  cell.levels.forEach((level, i) => {
    const upto = below + cell.genes[i];
    rising &&= below + zeros <= level && level <= upto + zeros;
    falling &&= cell.n - upto <= level && level <= cell.n - below;
    below = upto;
  });
  return rising || falling;
}

/** Whether many genes have a number and none the number before, as after scaling. */
function hasGap({ levels, genes }: Cell): boolean {
  return levels
    .slice(0, -1)
    .some(
      (level, i) =>
        level - (i ? levels[i - 1] : 0) > 1 &&
        genes[i] >= gate.genes_after_gap.value &&
        (i === 0 || level <= gate.highest_gap.value),
    );
}

/** Tell counts from rounded values by how totals and numbers of genes vary over cells. */
function ofTotals(cells: readonly Cell[]): Content {
  const totals = cells.map(({ total }) => total).sort((a, b) => a - b);
  const varied = spread(totals);
  if (cells.length < gate.fewest_totals.value || varied >= gate.alike_totals.value) return "counts";
  if (spread(cells.map(({ n }) => n)) <= gate.genes_vary.value * varied) return "counts";
  const same = Math.max(...cellOf(totals).genes);
  if (same > gate.sampled_down.value * totals.length) return "counts";
  const half = totals.length / 2;
  const median = (totals[Math.ceil(half) - 1] + totals[Math.floor(half)]) / 2;
  const power = 10 ** Math.round(Math.log10(median));
  const around = totals[0] < power && power < totals[totals.length - 1];
  const mean = totals.reduce((a, b) => a + b, 0) / totals.length;
  const exact = (varied * mean) ** 2 < gate.totals_vary.value * mean;
  const enough = cells.length >= gate.cells_to_refuse.value;
  return around && enough && exact ? "rounded" : "alike";
}
