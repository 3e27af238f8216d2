/** Antibodies that are called as their genes are, where no column says which are which.
 *
 * Same decisions as `runtime/genes/antibodies.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { examples } from "../words";

const { genes: rules } = decisions;
const SURFACE = new RegExp(`^(${rules.surface_name.value})(?:[-.][0-9]+)?$`, "i");
const MADE_UNIQUE = new RegExp(`^(?:${rules.made_unique.value})$`);

type Pairs = [number, number][];

/** The rows of antibodies, where surface proteins are named twice (`CD4`, `CD4-1`).
 *
 * They lack an Ensembl id that their genes have (`withId`, null where none is of any), or they are a
 * block at either end: there, names come twice much more densely than at the other.
 */
export function antibodyRows(
  names: readonly string[],
  withId: readonly boolean[] | null,
  source: string,
): number[] {
  const pairs = namedTwice(names);
  if (withId) {
    const apart = pairs.filter(([first, last]) => withId[first] !== withId[last]);
    return apart.map(([first, last]) => (withId[last] ? first : last));
  }
  const few = pairs.length < rules.fewest_twice.value;
  if (few || pairs.length < rules.surface_of_repeats.value * repeats(names)) return [];
  const n = names.length;
  const mirrored = pairs.map(([first, last]): [number, number] => [n - 1 - last, n - 1 - first]);
  const [end, denseEnd] = block(pairs, n);
  const [start, denseStart] = block(mirrored, n);
  const denser = rules.denser_block.value;
  if (end < n && denseEnd >= denser * denseStart) return range(end, n);
  if (start < n && denseStart >= denser * denseEnd) return range(0, n - start);
  const some = examples(pairs.map(([first]) => names[first]));
  throw new InputError(say(rules.twice, { source, names: pairs.length, examples: some }));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** The first and the last row of each surface protein that is named more than once. */
function namedTwice(names: readonly string[]): Pairs {
  const rows = new Map<string, [number, number]>();
  names.forEach((name, row) => {
    if (!/^(?:CD|Cd|cd)/.test(name)) return;
    const base = SURFACE.exec(name)?.[1];
    if (base !== undefined) rows.set(base, [rows.get(base)?.[0] ?? row, row]);
  });
  return [...rows.values()].filter(([first, last]) => first < last);
}

/** How many names repeat another, as they are or made unique. */
function repeats(names: readonly string[]): number {
  const known = new Set(names);
  known.delete("");
  const filled = names.reduce((n, name) => n + Number(name !== ""), 0);
  let unique = 0;
  for (const name of known) unique += Number(known.has(MADE_UNIQUE.exec(name)?.[1] ?? ""));
  return filled - known.size + unique;
}

/** The row from which all second ones of pairs stand, and how densely.
 *
 * `n` where the first ones are not all before it, or it is too large for antibodies.
 */
function block(pairs: Pairs, n: number): [number, number] {
  const begins = Math.min(...pairs.map(([, last]) => last));
  const density = pairs.length / (n - begins);
  const apart = pairs.every(([first]) => first < begins);
  const dense = density >= rules.dense_block.value;
  const small = n - begins <= rules.largest_block.value * n;
  return apart && small && dense ? [begins, density] : [n, 0];
}
