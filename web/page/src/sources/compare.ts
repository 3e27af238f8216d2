/** Two matrices of the same cells: whether one holds what became of the other.
 *
 * Same decisions as `runtime/sources/compare.py` of the Python package.
 */

import type { Sample } from "./source";

export type Compared = "same" | "smaller" | "differing";

/** How the values of `one` differ from those of `other`, in cells and genes of both.
 *
 * Genes are compared by names that are not repeated. `same` also where nothing can be compared;
 * `smaller` where no value is larger.
 */
export function compare(
  one: Sample,
  genes: readonly string[],
  other: Sample,
  otherGenes: readonly string[],
): Compared {
  if (!one.cells || !other.cells) return "same";
  const [once, otherOnce] = [onceOnly(genes), onceOnly(otherGenes)];
  const [cells, otherCells] = [new Set(one.cells), new Set(other.cells)];
  const both = (name: string, cell: number) =>
    once.has(name) && otherOnce.has(name) && cells.has(cell) && otherCells.has(cell);
  const values = valuesOf(one, genes, both);
  const others = valuesOf(other, otherGenes, both);
  const places = [...new Set([...values.keys(), ...others.keys()])];
  const differences = places.map((place) => (values.get(place) ?? 0) - (others.get(place) ?? 0));
  if (differences.every((difference) => difference === 0)) return "same";
  return differences.every((difference) => difference <= 0) ? "smaller" : "differing";
}

function onceOnly(names: readonly string[]): Set<string> {
  const times = new Map<string, number>();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return new Set(names.filter((name) => times.get(name) === 1));
}

/** Values by cell and gene; a gene's of one cell are added. */
function valuesOf(
  { values, cells, genes }: Sample,
  names: readonly string[],
  kept: (name: string, cell: number) => boolean,
): Map<string, number> {
  const found = new Map<string, number>();
  values.forEach((value, i) => {
    const [name, cell] = [names[genes![i]], cells![i]];
    if (!kept(name, cell)) return;
    const place = `${cell} ${name}`;
    found.set(place, (found.get(place) ?? 0) + Math.round(value));
  });
  return found;
}
