/** `uns["<column>_colors"]`, where scanpy looks: the colour of each category, as in reports.
 *
 * Same as `runtime/mapping/colours.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import type { ResultColumn } from "../mapping/columns";

const { colours, columns: names, values } = decisions;
const OF_CALLS = colours.categories.value.slice(0, colours.of_calls.value);

type Category = Extract<ResultColumn, { kind: "category" }>;

/** Those of labels, calls and cells unlike the atlas. */
export function columnColours(columns: readonly ResultColumn[]): Record<string, readonly string[]> {
  const column = (name: string) =>
    columns.find((one): one is Category => one.name === name && one.kind === "category");
  const labels = column(names.label);
  const calls = column(names.call) ?? labels;
  const found: Record<string, readonly string[]> = {};
  if (labels && calls) {
    const colourOf = callColours(calls, new Set(labels.categories));
    for (const { name, categories } of new Set([labels, calls])) {
      found[key(name)] = categories.map((one) => colourOf.get(one) ?? colours.others);
    }
  }
  if (columns.some(({ name }) => name === names.novel)) {
    found[key(names.novel)] = [colours.like, colours.unlike];
  }
  return found;
}

/** The eight calls with most cells have a colour of their own, the others are grey. */
function callColours(
  { values: codes, categories }: Category,
  labels: ReadonlySet<string>,
): Map<string, string> {
  const cells = new Float64Array(categories.length);
  for (const code of codes) if (code >= 0) cells[code]++;
  const shown = categories
    .map((name, code) => ({ name, cells: cells[code] }))
    .filter(({ name, cells }) => name !== values.unknown && (cells || labels.has(name)))
    .sort((a, b) => b.cells - a.cells);
  const colourOf = new Map(shown.slice(0, OF_CALLS.length).map(({ name }, i) => [name, OF_CALLS[i]]));
  return colourOf.set(values.unknown, colours.unknown);
}

function key(column: string): string {
  return say(names.colours, { column });
}
