/** The raw-count gate: finds the matrix that holds raw counts, and checks each block.
 *
 * Same decisions as `runtime/sources/gate.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { cellRange, firstLine, InputError } from "../errors";
import { compare } from "./compare";
import { classify, type Content, type Faults, findFaults, nearestCounts } from "./content";
import type { CountBlock, GeneColumns, Place, Sample } from "./source";

const { gate } = decisions;

/** Tells how many of the atlas's genes are among those of a matrix. */
export type Covered = (genes: GeneColumns) => number;

export interface Choice {
  place: Place;
  notes: string[];
}

interface Seen {
  key: string;
  place: Place;
  content: Content;
  sample: Sample;
}

// what is taken for counts, the surest first
const SURE: readonly Content[] = ["counts", "nearly", "alike"];
// sentences on matrices that are used although they may be something else
const USED: Partial<Record<Content, string>> = {
  nearly: gate.rounded_off,
  alike: gate.alike_used,
  fractional: gate.fractions_allowed,
  empty: gate.only_zeros,
};

/** Find the matrix that holds raw counts; a layer that is named is the only one inspected.
 *
 * What is counts for sure goes before what may be; a layer that is called so goes before other
 * counts in `X`; `raw` goes before another matrix when, by `covered`, it holds more of the atlas's
 * genes, and before `X` when that holds the same counts made smaller; else the first is used.
 */
export async function chooseCounts(
  title: string,
  places: ReadonlyMap<string, () => Place>,
  layer: string | null = null,
  allowFractional = false,
  covered: Covered | null = null,
): Promise<Choice> {
  const accepted: Content[] = [...SURE, ...(allowFractional ? ["fractional" as const] : []), "empty"];
  if (layer !== null) return named(title, places, layer, accepted);
  const [seen, unread] = await lookAt(places, covered !== null);
  const taken = accepted.flatMap((content) => seen.filter((one) => one.content === content));
  if (!taken.length) {
    const fault = say(gate.no_counts, { title, places: [...seen.map(holds), ...unread].join("; ") });
    const contents = seen.map(({ content }) => content);
    throw new InputError(fault + ofJoined(contents) + advice([...places.keys()], contents));
  }
  const rivals = taken.filter(({ content }) => content === taken[0].content);
  const last = seen[seen.length - 1];
  let [best, notes] = byName(taken[0], rivals);
  if (covered && last.key === "raw" && best !== last) {
    const [chosen, more] = besideRaw(best, last, covered);
    best = chosen;
    if (more.length) notes = more;
  }
  const others = seen
    .slice(0, seen.indexOf(best))
    .filter(({ content }) => content !== best.content)
    .map(holds);
  if (others.length || (unread.length && best.key === "raw")) {
    const listed = [...others, ...unread].join("; ");
    notes.unshift(say(gate.counts_found, { places: listed, place: best.place.name }));
  }
  return { place: best.place, notes: [...notes, ...doubts(best)] };
}

/** What the places hold, until counts are found, and why some cannot be read.
 *
 * Layers that are called so are looked at after `X` too, and `raw`, which alone is of other
 * genes, after all others, to `compare` them.
 */
async function lookAt(
  places: ReadonlyMap<string, () => Place>,
  compare: boolean,
): Promise<[Seen[], string[]]> {
  const seen: Seen[] = [];
  const unread: string[] = [];
  for (const key of order(places)) {
    const found = seen.filter(({ content }) => content === "counts");
    const inX = found.length === 1 && found[0].key === "X";
    const wanted = key === "raw" ? compare : isLikely(key) && inX;
    if (found.length && !wanted) continue;
    try {
      seen.push(await inspected(places, key));
    } catch (error) {
      if (!(error instanceof InputError) || key === "X" || places.size === 1) throw error;
      unread.push(`${key} ${say(gate.unread, { reason: firstLine(error) })}`);
    }
  }
  return [seen, unread];
}

async function inspected(places: ReadonlyMap<string, () => Place>, key: string): Promise<Seen> {
  const place = places.get(key)!();
  const { matrix } = place;
  const sample = await matrix.sample();
  return { key, place, content: classify(sample, matrix.nGenes), sample };
}

/** Choose between counts and `raw`, which may have more genes, or the counts as they were. */
function besideRaw(first: Seen, raw: Seen, covered: Covered): [Seen, string[]] {
  try {
    const [names, rawNames] = [first.place.genes(), raw.place.genes()];
    const [fewer, genes] = [covered(names), covered(rawNames)];
    const places = { places: first.place.name, place: raw.place.name, fewer, genes };
    if (raw.content !== first.content && !["counts", "nearly"].includes(raw.content)) {
      const many = genes > gate.many_more_genes.value * fewer && raw.content !== "alike";
      const content = gate.in_words[raw.content];
      return [first, many ? [say(gate.raw_has_more, { ...places, content })] : []];
    }
    if (genes > fewer) return [raw, [say(gate.more_genes, places)]];
    if (first.key !== "X") return [first, []];
    const compared = compare(first.sample, names.get("index")!, raw.sample, rawNames.get("index")!);
    if (compared === "smaller" && genes === fewer) {
      return [raw, [say(gate.original_counts, { ...places, key: first.key })]];
    }
    const said = say(gate.differing_counts, { ...places, key: raw.key });
    return [first, compared === "same" ? [] : [said]];
  } catch (error) {
    if (error instanceof InputError) return [first, []];
    throw error;
  }
}

/** What to do about missing values. */
function ofJoined(contents: readonly Content[]): string {
  return contents.includes("nan") ? gate.joined : "";
}

function order(places: ReadonlyMap<string, unknown>): string[] {
  const layers = [...places.keys()].filter((key) => key !== "X" && key !== "raw");
  const named = (name: string) => layers.filter((key) => key.toLowerCase() === name);
  const likely = gate.likely_layers.value.flatMap(named);
  const partial = gate.partial_layers.value.flatMap(named);
  const others = layers.filter((key) => !likely.includes(key) && !partial.includes(key));
  return ["X", ...likely, ...others, "raw"].filter((key) => places.has(key));
}

function isLikely(key: string): boolean {
  return gate.likely_layers.value.includes(key.toLowerCase());
}

/** A layer that is called counts before other counts in `X`: what became of them. */
function byName(x: Seen, rivals: readonly Seen[]): [Seen, string[]] {
  for (const one of x.key === "X" ? rivals : []) {
    if (!isLikely(one.key) || alike(x.sample, one.sample)) continue;
    return [one, [say(gate.named_counts, { places: x.place.name, place: one.place.name })]];
  }
  return [x, []];
}

function alike(one: Sample, other: Sample): boolean {
  const [a, b] = [one, other].map(({ values }) => values.filter((value) => value !== 0).sort());
  return a.length === b.length && a.every((value, at) => value === b[at]);
}

async function named(
  title: string,
  places: ReadonlyMap<string, () => Place>,
  layer: string,
  accepted: readonly Content[],
): Promise<Choice> {
  if (!places.has(layer)) {
    const keys = [...places.keys()].map((key) => `'${key}'`).join(", ");
    throw new InputError(say(gate.no_layer, { title, layer, there: `There are: ${keys}.` }));
  }
  const one = await inspected(places, layer);
  if (accepted.includes(one.content)) return { place: one.place, notes: doubts(one) };
  const elsewhere = await firstWithCounts(places, layer);
  const said = { title, place: one.place.name, content: gate.in_words[one.content] };
  const contents = [one.content];
  throw new InputError(
    say(gate.no_counts_in_layer, said) +
      (elsewhere ? say(gate.counts_elsewhere, { place: elsewhere }) : ofJoined(contents)) +
      advice([], contents),
  );
}

async function firstWithCounts(
  places: ReadonlyMap<string, () => Place>,
  except: string,
): Promise<string> {
  for (const key of order(places).filter((one) => one !== except)) {
    try {
      const one = await inspected(places, key);
      if (one.content === "counts") return one.place.name;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  return "";
}

/** What helps where no matrix holds counts. */
function advice(keys: readonly string[], contents: readonly Content[]): string {
  const said = contents.includes("fractional") ? gate.allow_fractions : "";
  const partial = gate.partial_layers.value;
  const parts = keys.filter((key) => partial.includes(key.toLowerCase())).map((key) => `'${key}'`);
  return said + (parts.length ? say(gate.by_name_only, { layers: parts.join(", ") }) : "");
}

function holds({ place, content }: Seen): string {
  return `${place.name} ${say(gate.holds, { content: gate.in_words[content] })}`;
}

/** What a reader should know of a matrix that is used. */
function doubts({ place, content }: Seen): string[] {
  const sentence = USED[content];
  return sentence ? [say(sentence, { place: place.name, content: gate.in_words[content] })] : [];
}

/** Refuse a block with values that are no counts; the message names the cells.
 *
 * Counts but for rounding are returned as what they were.
 */
export function checkBlock(
  block: CountBlock,
  description: string,
  allowFractional = false,
): CountBlock {
  const faults = findFaults(block.data);
  if (allowFractional) faults.fractional = 0;
  const found = Object.entries(gate.faults)
    .map(([name, what]) => [faults[name as keyof Faults], what] as const)
    .filter(([n]) => n > 0)
    .map(([n, what]) => `${n} ${what}`);
  if (!found.length) return block;
  const onlyFractions = !(faults.nan || faults.infinite || faults.negative || faults.large);
  const near = onlyFractions ? nearestCounts(block.data) : null;
  if (near) return { ...block, data: near };
  const cells = cellRange(description, block.start, block.start + block.nCells);
  const places = { cells, stored: block.data.length, faults: found.join(" and ") };
  const fault = say(gate.no_counts_in_cells, places);
  throw new InputError(fault + (onlyFractions ? gate.allow_fractions : ""));
}
