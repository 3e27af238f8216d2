/** What the words of a result mean, a sentence each.
 *
 * Part of `runtime/report/terms.py` of the Python package.
 */

import type { Manifest } from "../atlas/manifest";
import decisions, { say } from "../decisions";
import { general, shareOf } from "../words";

const { terms } = decisions;

export type Term = keyof typeof terms;

/** The sentence of a term, with the thresholds of an atlas. */
export function meaning(term: Term, { thresholds }: Pick<Manifest, "thresholds">): string {
  const { call_prob, set_level, novelty_p, low_depth } = thresholds;
  return say(terms[term].text, {
    call_prob: shareOf(call_prob, 1),
    set_level: shareOf(set_level, 1),
    novelty_p: shareOf(novelty_p, 1),
    low_depth: general(low_depth),
  });
}
