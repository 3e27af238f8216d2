/** Genes of another organism than the atlas's: refused, or said where they match all the same.
 *
 * Same decisions as `runtime/genes/other_organism.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { examples } from "../words";
import { type GeneColumns, holdsIds } from "./columns";
import { inCapitals, inferOrganism, namedByIds } from "./organism";

const { genes: rules } = decisions;

/** Refuse a query of which a column looks like another organism's genes. */
export function refuseOtherOrganism(columns: GeneColumns, organism: string, source: string): void {
  for (const names of columns.values()) {
    const seen = inferOrganism(names);
    if (seen && seen !== organism) {
      const like = examples(names.filter((name) => name !== ""));
      throw new InputError(say(rules.other_organism, { source, seen, examples: like, organism }));
    }
  }
}

/** Refuse columns that match by names of another organism that look like this one's: in capital
 * letters, as chicken's always are, or with ids of its genes among them. */
export function refuseLookalikes(
  matched: readonly (readonly string[])[],
  organism: string,
  source: string,
): void {
  for (const names of matched) {
    const found = [
      [rules.in_capitals, inCapitals(names)],
      [rules.named_by_ids, holdsIds(names) ? null : namedByIds(names)],
    ] as const;
    for (const [why, told] of found) {
      if (!told || told[0] === organism) continue;
      throw new InputError(say(why, { source, seen: told[0], examples: examples(told[1]), organism }));
    }
  }
}

/** What to say of ids that are of another organism, while names match the atlas. */
export function idsOfOthers(columns: GeneColumns, organism: string, source: string): string[] {
  for (const [column, values] of columns) {
    const seen = holdsIds(values) ? inferOrganism(values) : organism;
    if (!seen || seen === organism) continue;
    const example = values.find((value) => value.startsWith("ENS")) ?? "";
    return [say(rules.ids_of_others, { source, column, seen, organism, example })];
  }
  return [];
}
