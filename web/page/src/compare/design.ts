/** Which samples are compared, how, and what their number and arrangement do not allow.
 *
 * Same as `runtime/compare/design.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { counted } from "../words";
import { type Model, modelOf } from "./model";

const { compare } = decisions;
const LISTED = 5;

/** Samples, and the condition of each; those without one are left out. */
export interface Samples {
  names: readonly string[];
  condition: readonly string[];
  /** What each is compared within: a patient, say. */
  pair: readonly string[] | null;
  batch: readonly string[] | null;
}

/** Two conditions, with the samples of both. */
export interface Design {
  samples: Samples;
  /** Condition that the other is compared with. */
  reference: string;
  level: string;
  model: Model;
  /** What was left out and why, a sentence each. */
  notes: readonly string[];
  /** Why no p-value can be had, and what would be needed; empty where it can. */
  refusal: string;
}

/** The condition that others are compared with, where nobody says which. */
export function referenceLevel(conditions: readonly string[]): string {
  const known = [...new Set(conditions)].sort();
  if (known.length < 2) {
    const only = known.length ? `'${known[0]}'` : "none";
    throw new InputError(say(compare.one_condition, { only }));
  }
  return known.find((one) => compare.references.includes(one.toLowerCase().replace(/[_-]/g, ""))) ?? known[0];
}

/** A design for each condition beside the reference. */
export function designs(samples: Samples, asked: string | null): Design[] {
  const reference = asked ?? referenceLevel(samples.condition);
  const others = [...new Set(samples.condition)].sort().filter((one) => one !== reference);
  return others.map((level) => designOf(samples, reference, level));
}

/** The comparison of two conditions, with the samples of both alone. */
export function designOf(samples: Samples, reference: string, level: string): Design {
  const ends = [reference, level];
  const both = rowsOf(samples, (at) => ends.includes(samples.condition[at]));
  const [chosen, notes] = both.pair ? wholePairs(both, both.pair, ends) : [both, []];
  const asked = chosen.condition.map((one) => Number(one === level));
  const model = modelOf(asked, [chosen.pair, chosen.batch]);
  return { samples: chosen, reference, level, model, notes, refusal: refusalOf(chosen, ends, model) };
}

/** The same comparison with some of its samples. */
export function without(design: Design, keep: (at: number) => boolean): Design {
  return designOf(rowsOf(design.samples, keep), design.reference, design.level);
}

function rowsOf({ names, condition, pair, batch }: Samples, keep: (at: number) => boolean): Samples {
  const of = (values: readonly string[]) => values.filter((_, at) => keep(at));
  return { names: of(names), condition: of(condition), pair: pair && of(pair), batch: batch && of(batch) };
}

/** Leave out the samples of pairs that lack a side. */
function wholePairs(samples: Samples, pair: readonly string[], ends: readonly string[]): [Samples, string[]] {
  const sides = new Map<string, Set<string>>();
  pair.forEach((one, at) => sides.set(one, (sides.get(one) ?? new Set()).add(samples.condition[at])));
  const lone = [...sides.keys()].filter((one) => sides.get(one)!.size < 2).sort();
  if (!lone.length) return [samples, []];
  const listed = lone.slice(0, LISTED).map((one) => `'${one}'`).join(", ") + (lone.length > LISTED ? ", …" : "");
  const [reference, level] = ends;
  const note = say(compare.lone_pairs, { lone: lone.length, pairs: sides.size, reference, level, listed });
  return [rowsOf(samples, (at) => !lone.includes(pair[at])), [note]];
}

function refusalOf({ condition, pair }: Samples, ends: readonly string[], model: Model): string {
  const [samples, freedom] = [compare.fewest_samples.value, compare.fewest_freedom.value];
  const unit = pair ? "pair" : "sample";
  const count = (end: string) => condition.filter((one) => one === end).length;
  const few = ends.find((end) => count(end) < samples);
  if (few !== undefined) {
    const pairs = pair ? ` (${freedom + 1} whole pairs)` : "";
    const has = plainly(count(few), unit);
    return say(compare.few_samples, { condition: few, has, samples, all: freedom + 2, pairs });
  }
  if (!model.left) return say(compare.apart_in_batches, { level: ends[1], reference: ends[0] });
  const left = model.freedom;
  if (left >= freedom) return "";
  return say(compare.few_freedom, {
    samples: plainly(condition.length, "sample"),
    left: `${plainly(left, "degree")} of freedom`,
    needed: freedom,
    more: plainly(freedom - left, unit),
  });
}

const plainly = (n: number, noun: string) => counted(n, noun).replaceAll(",", "");
