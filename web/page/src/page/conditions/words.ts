/** What a comparison of conditions comes to, in a sentence.
 *
 * Same as the first words of `runtime/compare/show/page.py` of the Python package.
 */

import type { Change } from "../../compare/composition";
import decisions, { say } from "../../decisions";
import { shareOf } from "../../words";

const { compare } = decisions;
const MOST = 5;

/** Empty where nothing could be tested. */
export function inAWord(changes: readonly Change[]): string {
  const sure = changes.filter(({ pAdjusted }) => pAdjusted < compare.alpha.value).sort((a, b) => a.p - b.p);
  if (sure.length) return say(compare.changed, { types: sure.slice(0, MOST).map(inWords).join("; ") });
  return changes.some(({ p }) => Number.isFinite(p)) ? compare.unchanged : "";
}

function inWords({ category, change, level, reference, meanLevel, meanReference }: Change): string {
  const [more, fewer] = compare.ways;
  return say(compare.in_words, {
    type: category,
    times: (2 ** Math.abs(change)).toFixed(1),
    way: change > 0 ? more : fewer,
    level,
    here: shareOf(meanLevel, 1),
    there: shareOf(meanReference, 1),
    reference,
  });
}
