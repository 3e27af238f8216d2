/** Names of genes without what programs leave around them: spaces, quotes, prefixes of RNA, chromosomes.
 *
 * Same decisions as `runtime/genes/tidy.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import type { GeneColumns } from "./columns";

const { genes: rules } = decisions;
const AROUND = new RegExp(`^(?:${rules.untidy_name.value})$`);
const PLACE = new RegExp(rules.place_behind.value, "i");
const PREFIX = new RegExp(`^${rules.modality_prefix.value}`, "i");

/** The columns with bare names, and a note where they were not. */
export function tidied(columns: GeneColumns, source: string): [GeneColumns, string[]] {
  const kept = new Map([...columns].map(([name, values]) => [name, bare(values)] as const));
  for (const [name, values] of columns) {
    const now = kept.get(name) ?? [];
    const changed = values.flatMap((old, row) => (old === now[row] ? [] : [row]));
    if (!changed.length) continue;
    const [old, renamed] = [values[changed[0]], now[changed[0]]];
    return [kept, [say(rules.tidied, { genes: changed.length, source, old, new: renamed })]];
  }
  return [kept, []];
}

function bare(values: readonly string[]): string[] {
  const inside = values.map((value) => {
    const found = AROUND.exec(value);
    return found ? found[2] || found[3] || "" : value;
  });
  const prefixed = inside.reduce((n, value) => n + Number(PREFIX.test(value)), 0);
  const filled = inside.reduce((n, value) => n + Number(value !== ""), 0);
  const most = rules.mostly_ids.value * filled;
  const named = prefixed > most ? inside.map((value) => value.replace(PREFIX, "")) : inside;
  const placed = named.reduce((n, value) => n + Number(PLACE.test(value)), 0);
  return placed > most ? named.map((value) => value.replace(PLACE, "")) : named;
}
