/** Which samples are compared, and what their number does not allow.
 *
 * Same as `runtime/compare/design.py` of the Python package, without pairs and batches.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { counted } from "../words";

const { compare } = decisions;

/** Samples, and the condition of each. */
export interface Samples {
  names: readonly string[];
  condition: readonly string[];
}

/** Two conditions, with the samples of both. */
export interface Design {
  samples: Samples;
  /** Condition that the other is compared with. */
  reference: string;
  level: string;
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
  return others.map((level) => {
    const chosen = rowsOf(samples, (at) => [reference, level].includes(samples.condition[at]));
    return designOf(chosen, reference, level);
  });
}

export function designOf(samples: Samples, reference: string, level: string): Design {
  return { samples, reference, level, refusal: refusalOf(samples, [reference, level]) };
}

export function rowsOf({ names, condition }: Samples, keep: (at: number) => boolean): Samples {
  const of = (values: readonly string[]) => values.filter((_, at) => keep(at));
  return { names: of(names), condition: of(condition) };
}

function refusalOf({ condition }: Samples, ends: readonly string[]): string {
  const [samples, freedom] = [compare.fewest_samples.value, compare.fewest_freedom.value];
  const count = (end: string) => condition.filter((one) => one === end).length;
  const few = ends.find((end) => count(end) < samples);
  if (few !== undefined) {
    const has = plainly(count(few), "sample");
    return say(compare.few_samples, { condition: few, has, samples, all: freedom + 2, pairs: "" });
  }
  const left = condition.length - 2;
  if (left >= freedom) return "";
  return say(compare.few_freedom, {
    samples: plainly(condition.length, "sample"),
    left: `${plainly(left, "degree")} of freedom`,
    needed: freedom,
    more: plainly(freedom - left, "sample"),
  });
}

const plainly = (n: number, noun: string) => counted(n, noun).replaceAll(",", "");
