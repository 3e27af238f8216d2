/** The raw-count gate: finds the matrix that holds raw counts, and checks each block.
 *
 * Same decisions as `runtime/gate.py` of the Python package.
 */

import { firstLine, InputError } from "../errors";
import type { CountBlock, Place, Sample } from "../sources/source";
import { cellRange } from "../words";

type Content =
  | "counts"
  | "empty"
  | "fractional"
  | "normalised"
  | "log-normalised"
  | "scaled"
  | "nan"
  | "infinite";

const IN_WORDS: Record<Content, string> = {
  counts: "raw counts",
  empty: "only zeros where looked",
  fractional: "values that are not whole numbers",
  normalised: "normalised values",
  "log-normalised": "log-normalised values",
  scaled: "scaled values (some are negative)",
  nan: "missing values (NaN)",
  infinite: "infinite values",
};

const LIKELY_LAYERS = ["counts", "raw_counts", "count"];
const PARTIAL_LAYERS = ["spliced", "unspliced", "ambiguous"];
// log1p of ten thousand counts per cell is 9.2, of a million 13.8.
const LARGEST_LOGARITHM = 20;
// Relative spread of sums over cells that were all scaled to one total.
const SAME_TOTAL = 0.02;

export interface Choice {
  place: Place;
  notes: string[];
}

interface Faults {
  negative: number;
  nan: number;
  infinite: number;
  fractional: number;
}

export function classify(sample: Sample): Content {
  const faults = findFaults(sample.values);
  if (faults.nan) return "nan";
  if (faults.infinite) return "infinite";
  if (faults.negative) return "scaled";
  const kept: number[] = [];
  sample.values.forEach((value, i) => {
    if (value !== 0) kept.push(i);
  });
  if (!kept.length) return "empty";
  if (!faults.fractional) return "counts";
  const values = kept.map((i) => sample.values[i]);
  const small = values.every((value) => value < LARGEST_LOGARITHM);
  const whole = values.filter((value) => value === Math.floor(value)).length / values.length;
  if (whole > 0.5) return "fractional";
  if (sample.cells) {
    const { cells } = sample;
    const owners = kept.map((i) => cells[i]);
    if (small && rescaled(values.map(Math.expm1), owners)) return "log-normalised";
    if (rescaled(values, owners)) return "normalised";
  }
  return small && whole < 0.2 ? "log-normalised" : "fractional";
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
  const mean = sums.reduce((a, b) => a + b, 0) / sums.length;
  const variance = sums.reduce((a, b) => a + (b - mean) ** 2, 0) / sums.length;
  if (sums.length >= 3 && Math.sqrt(variance) < SAME_TOTAL * mean) return true;
  let larger = 0;
  let near = 0;
  values.forEach((value, i) => {
    const multiple = value / smallest.get(owners[i])!;
    if (multiple > 1.5) {
      larger++;
      if (Math.abs(multiple - Math.round(multiple)) < 1e-3) near++;
    }
  });
  return larger > 0 && near / larger > 0.95;
}

/** Find the matrix that holds raw counts; a layer that is named is the only one inspected. */
export async function chooseCounts(
  title: string,
  places: ReadonlyMap<string, () => Place>,
  layer: string | null = null,
  allowFractional = false,
): Promise<Choice> {
  const accepted: Content[] = allowFractional ? ["counts", "fractional"] : ["counts"];
  if (layer !== null) return named(title, places, layer, [...accepted, "empty"]);
  const seen = new Map<string, string>();
  let empty: Place | null = null;
  for (const key of order(places)) {
    let place: Place;
    let content: Content;
    try {
      place = places.get(key)!();
      content = classify(await place.matrix.sample());
    } catch (error) {
      if (!(error instanceof InputError) || key === "X" || places.size === 1) throw error;
      seen.set(key, `cannot be read (${firstLine(error)})`);
      continue;
    }
    if (accepted.includes(content)) return { place, notes: notes(seen, place, content) };
    if (content === "empty") empty ??= place;
    seen.set(place.name, `holds ${IN_WORDS[content]}`);
  }
  if (empty) {
    seen.delete(empty.name);
    return { place: empty, notes: notes(seen, empty, "empty") };
  }
  throw new InputError(
    `${title} holds no raw counts: ${listed(seen)}. ` +
      "Raw counts are needed; use the file from before normalisation.",
  );
}

function order(places: ReadonlyMap<string, unknown>): string[] {
  const lower = new Map(
    [...places.keys()].filter((k) => k !== "X" && k !== "raw").map((k) => [k.toLowerCase(), k]),
  );
  const likely = LIKELY_LAYERS.flatMap((name) => lower.get(name) ?? []);
  const others = [...lower].filter(([name]) => !PARTIAL_LAYERS.includes(name)).map(([, key]) => key);
  const all = ["X", ...likely, ...others.filter((key) => !likely.includes(key)), "raw"];
  return all.filter((key) => places.has(key));
}

async function named(
  title: string,
  places: ReadonlyMap<string, () => Place>,
  layer: string,
  accepted: readonly Content[],
): Promise<Choice> {
  const opener = places.get(layer);
  if (!opener) {
    const there = [...places.keys()].map((key) => `'${key}'`).join(", ");
    throw new InputError(`${title} has no layer '${layer}'. There are: ${there}.`);
  }
  const place = opener();
  const content = classify(await place.matrix.sample());
  if (accepted.includes(content)) return { place, notes: notes(new Map(), place, content) };
  const elsewhere = await firstWithCounts(places, layer);
  throw new InputError(
    `${title}: ${place.name} holds ${IN_WORDS[content]} instead of raw counts.` +
      (elsewhere ? ` Raw counts are in ${elsewhere}.` : ""),
  );
}

async function firstWithCounts(
  places: ReadonlyMap<string, () => Place>,
  except: string,
): Promise<string> {
  for (const key of order(places).filter((one) => one !== except)) {
    try {
      const place = places.get(key)!();
      if (classify(await place.matrix.sample()) === "counts") return place.name;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  return "";
}

function listed(seen: ReadonlyMap<string, string>): string {
  return [...seen].map(([name, what]) => `${name} ${what}`).join("; ");
}

function notes(seen: ReadonlyMap<string, string>, place: Place, content: Content): string[] {
  const said: string[] = [];
  if (seen.size) {
    said.push(`${listed(seen)}; raw counts were found in ${place.name} and used.`);
  }
  if (content === "fractional") {
    said.push(`${place.name} holds ${IN_WORDS[content]}; they were allowed as counts.`);
  }
  return said;
}

/** Refuse a block with values that are no counts; the message names the cells. */
export function checkBlock(block: CountBlock, description: string, allowFractional = false): void {
  const faults = findFaults(block.data);
  const found = [
    [faults.nan, "missing (NaN)"] as const,
    [faults.infinite, "infinite"] as const,
    [faults.negative, "negative"] as const,
    [allowFractional ? 0 : faults.fractional, "not whole"] as const,
  ]
    .filter(([n]) => n > 0)
    .map(([n, what]) => `${n} ${what}`);
  if (found.length) {
    const place = cellRange(description, block.start, block.start + block.nCells);
    throw new InputError(
      `${place}: ${block.data.length} values are stored, ${found.join(" and ")}; ` +
        "raw counts are needed in every cell.",
    );
  }
}

function findFaults(values: Float32Array): Faults {
  const faults = { negative: 0, nan: 0, infinite: 0, fractional: 0 };
  let bad = 0;
  for (let k = 0; k < values.length; k++) {
    const x = values[k];
    if (!(x >= 0 && x < Infinity && x === Math.floor(x))) bad++;
  }
  if (!bad) return faults;
  for (const x of values) {
    if (Number.isNaN(x)) faults.nan++;
    else if (!Number.isFinite(x)) faults.infinite++;
    else {
      if (x < 0) faults.negative++;
      if (x !== Math.floor(x)) faults.fractional++;
    }
  }
  return faults;
}
