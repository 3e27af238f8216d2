/** The raw-count gate: finds the matrix that holds raw counts, and checks each block.
 *
 * Same decisions as `runtime/sources/gate.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { cellRange, firstLine, InputError } from "../errors";
import type { CountBlock, Place, Sample } from "./source";

const { gate } = decisions;

type Content = keyof typeof gate.in_words;
type Faults = Record<keyof typeof gate.faults, number>;

export interface Choice {
  place: Place;
  notes: string[];
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
  const small = values.every((value) => value < gate.largest_logarithm.value);
  const whole = values.filter((value) => value === Math.floor(value)).length / values.length;
  if (whole > gate.mostly_whole.value) return "fractional";
  if (sample.cells) {
    const { cells } = sample;
    const owners = kept.map((i) => cells[i]);
    if (small && rescaled(values.map(Math.expm1), owners)) return "log-normalised";
    if (rescaled(values, owners)) return "normalised";
  }
  return small && whole < gate.hardly_whole.value ? "log-normalised" : "fractional";
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
  const alike = Math.sqrt(variance) < gate.same_total.value * mean;
  if (sums.length >= gate.fewest_totals.value && alike) return true;
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
      seen.set(key, say(gate.unread, { reason: firstLine(error) }));
      continue;
    }
    if (accepted.includes(content)) return { place, notes: notes(seen, place, content) };
    if (content === "empty") empty ??= place;
    seen.set(place.name, say(gate.holds, { content: gate.in_words[content] }));
  }
  if (empty) {
    seen.delete(empty.name);
    return { place: empty, notes: notes(seen, empty, "empty") };
  }
  const fault = say(gate.no_counts, { title, places: listed(seen) });
  throw new InputError(fault + ofJoined(fault));
}

/** What to do about missing values, where a fault speaks of them. */
function ofJoined(fault: string): string {
  return fault.includes(gate.in_words.nan) ? gate.joined : "";
}

function order(places: ReadonlyMap<string, unknown>): string[] {
  const lower = new Map(
    [...places.keys()].filter((k) => k !== "X" && k !== "raw").map((k) => [k.toLowerCase(), k]),
  );
  const likely = gate.likely_layers.value.flatMap((name) => lower.get(name) ?? []);
  const partial = gate.partial_layers.value;
  const others = [...lower].filter(([name]) => !partial.includes(name)).map(([, key]) => key);
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
    const keys = [...places.keys()].map((key) => `'${key}'`).join(", ");
    throw new InputError(say(gate.no_layer, { title, layer, there: `There are: ${keys}.` }));
  }
  const place = opener();
  const content = classify(await place.matrix.sample());
  if (accepted.includes(content)) return { place, notes: notes(new Map(), place, content) };
  const elsewhere = await firstWithCounts(places, layer);
  const said = { title, place: place.name, content: gate.in_words[content] };
  const fault = say(gate.no_counts_in_layer, said);
  throw new InputError(
    fault + (elsewhere ? say(gate.counts_elsewhere, { place: elsewhere }) : ofJoined(fault)),
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
    said.push(say(gate.counts_found, { places: listed(seen), place: place.name }));
  }
  if (content === "fractional") {
    const allowed = { place: place.name, content: gate.in_words[content] };
    said.push(say(gate.fractions_allowed, allowed));
  }
  return said;
}

/** Refuse a block with values that are no counts; the message names the cells. */
export function checkBlock(block: CountBlock, description: string, allowFractional = false): void {
  const faults = findFaults(block.data);
  if (allowFractional) faults.fractional = 0;
  const found = Object.entries(gate.faults)
    .map(([name, what]) => [faults[name as keyof Faults], what] as const)
    .filter(([n]) => n > 0)
    .map(([n, what]) => `${n} ${what}`);
  if (found.length) {
    const cells = cellRange(description, block.start, block.start + block.nCells);
    const places = { cells, stored: block.data.length, faults: found.join(" and ") };
    throw new InputError(say(gate.no_counts_in_cells, places));
  }
}

function findFaults(values: Float32Array): Faults {
  const faults = { nan: 0, infinite: 0, negative: 0, fractional: 0 };
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
