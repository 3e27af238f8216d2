/** Whether a group of cells is stranger than a known type of a new batch would be.
 *
 * Same as `runtime/mapping/gather/strange_groups.py` of the Python package.
 */

import decisions from "../decisions";
import { median } from "./median";
import { studentP } from "./student";

const { novel_groups: rules } = decisions;
const USUAL = rules.usual.value;
const QUERIES = rules.between_queries.value;
const GROUPS = rules.between_groups.value;
const FARTHEST = rules.farthest.value;
// variance of the log odds of a p-value that is even between 0 and 1
const OF_A_CELL = Math.PI ** 2 / 3;
// variance of a median in those of a mean, of values that are normal
const OF_MEDIAN = Math.PI / 2;

/** How strange a group is: the mean log odds of its cells, and how many cells' worth that is. */
export interface Strangeness {
  strange: number;
  independent: number;
}

/** How strange each group of cells is, of which each stands for so many. */
export function strangenessOfGroups(
  p: ArrayLike<number>,
  weight: (cell: number) => number,
  groups: readonly (readonly number[])[],
): Strangeness[] {
  return groups.map((rows) => {
    let [total, square, strange] = [0, 0, 0];
    for (const cell of rows) {
      const each = weight(cell);
      total += each;
      square += each ** 2;
      strange += each * logOdds(p[cell]);
    }
    return { strange: strange / total, independent: total ** 2 / square };
  });
}

/** How strange cells are of which more are novel than chance makes. */
export function novelStrangeness(found: number, level: number, cells: number): Strangeness {
  const share = Math.min(found / cells, 0.999);
  const strange = Math.log(share / (1 - share)) - Math.log(level / (1 - level));
  return { strange, independent: OF_A_CELL * cells * share * (1 - share) };
}

/** p-values of the groups of a query. */
export function pBesideEachOther(groups: readonly Strangeness[]): number[] {
  return groups.map((group, at) =>
    pOf(
      group,
      groups.filter((_, other) => other !== at),
    ),
  );
}

/** p-values of some groups beside the other ones of their query. */
export function pBeside(
  groups: readonly Strangeness[],
  others: readonly Strangeness[],
): number[] {
  return groups.map((group) => pOf(group, others));
}

function pOf({ strange, independent }: Strangeness, others: readonly Strangeness[]): number {
  const { expected, variance } = ofKnown(others.map((group) => group.strange));
  const t = (strange - expected) / Math.sqrt(variance + OF_A_CELL / independent);
  const both = studentP(t, rules.freedom.value);
  return t > 0 ? both / 2 : 1 - both / 2;
}

/** How strange a known type would be beside other groups of a query. */
function ofKnown(others: readonly number[]): { expected: number; variance: number } {
  let [shift, ofShift] = [USUAL, QUERIES ** 2];
  if (others.length) {
    const ofMedian = (OF_MEDIAN * GROUPS ** 2) / others.length;
    const trust = ofShift / (ofShift + ofMedian);
    shift += trust * (median(others) - USUAL);
    ofShift = trust * ofMedian;
  }
  // a query of unseen types alone would make each look usual
  const expected = Math.min(shift, USUAL + rules.most_shifted.value * QUERIES);
  return { expected, variance: GROUPS ** 2 + ofShift };
}

function logOdds(p: number): number {
  const inside = Math.min(Math.max(p, 1e-12), 1 - 1e-12);
  const odds = Math.log1p(-inside) - Math.log(inside);
  return Math.min(Math.max(odds, -FARTHEST), FARTHEST);
}
