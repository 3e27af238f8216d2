/** Who the samples of a mapping are, and what their cells are.
 *
 * Same as `runtime/compare/study.py` of the Python package, of one result.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import type { Results } from "../mapping/results";
import { byName } from "../words";
import { type Composition, compositionsOf } from "./crossed";
import type { Samples } from "./design";
import { meansOnWay, type Quantity } from "./on_way";

const { compare } = decisions;
const LISTED = 5;

export interface Study {
  samples: Samples;
  compositions: Composition[];
  /** Means of pseudotime, where there is one. */
  onWay: Quantity[];
  notes: string[];
}

/** A column of the files: the name of each cell's group, empty where it is of none. */
export interface Named {
  column: string;
  of: (cell: number) => string;
}

/** What a study is told by. */
export interface Told {
  sample: Named;
  condition: Named;
  pairs: Named | null;
  batch: Named | null;
}

type Facts = ReadonlyMap<string, readonly string[]>;

export function readStudy(results: Results, told: Told): Study {
  const names = sampleNames(results.done, told);
  const lost = names.filter((name) => name === "").length;
  if (lost === names.length) throw new InputError(compare.no_cells);
  const notes = lost ? [say(compare.left_out, { lost, cells: names.length })] : [];
  const samples = samplesOf(names, told, notes);
  const rank = new Map(samples.names.map((name, at) => [name, at]));
  const row = Int32Array.from(names, (name) => rank.get(name) ?? -1);
  return {
    samples,
    compositions: compositionsOf(results, samples.names, row),
    onWay: meansOnWay(results, samples.names, row),
    notes,
  };
}

/** The sample of each cell; empty where it or its condition is not known. */
function sampleNames(nCells: number, { sample, condition, pairs }: Told): string[] {
  // the cells of one condition of a sample are a sample each where it is compared within itself
  const isHalved = pairs?.column === sample.column;
  return Array.from({ length: nCells }, (_, cell) => {
    const [name, end] = [sample.of(cell), condition.of(cell)];
    if (name === "" || end === "") return "";
    return isHalved ? `${name} | ${end}` : name;
  });
}

function samplesOf(names: readonly string[], { condition, pairs, batch }: Told, notes: string[]): Samples {
  const end = oneEach(names, condition, (told) => say(compare.two_conditions, told));
  const held = [pairs, batch].map((named) => {
    const several = (told: Record<string, string>) => say(compare.several_values, { column: named!.column, ...told });
    return named && { column: named.column, of: oneEach(names, named, several) };
  });
  let known = [...end.keys()].sort((a, b) => byName(end.get(a)!, end.get(b)!) || byName(a, b));
  for (const one of held) {
    const without = known.filter((name) => one?.of.get(name) === "");
    if (!one || !without.length) continue;
    const listed = without.slice(0, LISTED).join(", ");
    const counts = { without: without.length, samples: known.length };
    notes.push(say(compare.without_value, { ...counts, column: one.column, listed }));
    known = known.filter((name) => !without.includes(name));
  }
  const [pair, batches] = held.map((one) => one && known.map((name) => one.of.get(name)!));
  return { names: known, condition: known.map((name) => end.get(name)!), pair, batch: batches };
}

/** The value of each sample, which has one alone. */
function oneEach(
  names: readonly string[],
  { of }: Named,
  several: (told: Record<string, string>) => string,
): Map<string, string> {
  const found = valuesOf(names, of);
  for (const sample of [...found.keys()].sort()) {
    const [one, other] = found.get(sample)!;
    if (other !== undefined) throw new InputError(several({ sample, one, other }));
  }
  return new Map([...found].map(([sample, [one]]) => [sample, one]));
}

function valuesOf(names: readonly string[], of: (cell: number) => string): Facts {
  const found = new Map<string, string[]>();
  names.forEach((name, cell) => {
    if (name === "") return;
    const value = of(cell);
    const known = found.get(name);
    if (!known) found.set(name, [value]);
    else if (!known.includes(value)) known.push(value);
  });
  return found;
}
