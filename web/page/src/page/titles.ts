/** Names of the answers as people read them. */

import decisions from "../decisions";
import { ofAtlas } from "../mapping/columns";

const { columns, terms } = decisions;
const TITLES = new Map(
  Object.entries(columns).flatMap(([key, name]): [string, string][] =>
    key in terms ? [[name, terms[key as keyof typeof terms].title]] : [],
  ),
);

/** Columns that each atlas that is asked beside the first has too. */
const OF_OTHERS = [columns.label, columns.prob, columns.novel].map((column) => ofAtlas(column));

/** The column that another atlas's is of, and that atlas; the column itself of the first. */
export function partsOf(name: string): [column: string, atlas: string] {
  const begins = TITLES.has(name) ? undefined : OF_OTHERS.find((one) => name.startsWith(one));
  return begins === undefined ? [name, ""] : [begins.slice(0, -1), name.slice(begins.length)];
}

export function titleOf(name: string): string {
  const [column, atlas] = partsOf(name);
  if (atlas) return `${atlas}: ${titleOf(column)}`;

  const plain = name.replace("cellport_", "").replaceAll("_", " ");
  return TITLES.get(name) ?? plain[0].toUpperCase() + plain.slice(1);
}
