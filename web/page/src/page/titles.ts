/** Names of the answers as people read them. */

import decisions from "../decisions";

const { columns, terms } = decisions;
const TITLES = new Map(
  Object.entries(columns).flatMap(([key, name]): [string, string][] =>
    key in terms ? [[name, terms[key as keyof typeof terms].title]] : [],
  ),
);

export function titleOf(name: string): string {
  const plain = name.replace("cellport_", "").replaceAll("_", " ");
  return TITLES.get(name) ?? plain[0].toUpperCase() + plain.slice(1);
}
