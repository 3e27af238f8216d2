/** What the cells of a mapping came to, counted for sentences.
 *
 * Same as `runtime/mapping/gather/findings.py` of the Python package.
 */

import type { Manifest } from "../atlas/manifest";
import decisions from "../decisions";
import type { Coverage } from "../mapping/coverage";
import type { Results } from "../mapping/results";

const { columns, values } = decisions;

export const OUTCOMES = ["sure", "broader", "unknown"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** One kind of call: a type, a group of types, or unknown. */
export interface Call {
  code: number;
  name: string;
  outcome: Outcome;
  cells: number;
}

/** A query whose cells were mapped, and what its genes came to. */
export interface Brought {
  /** Where the counts were found: in all, and its parts. */
  countsFrom: string;
  file: string;
  field: string;
  organism: string | null;
  nMatched: number;
  nPanel: number;
  /** How much of the atlas its genes are. */
  coverage: Coverage;
}

export interface Findings {
  cells: number;
  /** Calls with cells, most first; none without labels. */
  calls: Call[];
  outcome: Record<Outcome, number>;
  quality: ReadonlyMap<string, number>;
  /** null where the atlas has no reference to be unlike. */
  novel: number | null;
  queries: readonly Brought[];
  nReference: number;
  /** How far the cells spread beside the reference's; null where that is not known. */
  spread: number | null;
  manifest: Manifest;
}

/** What is known beside the results. */
export interface Known extends Pick<Findings, "nReference" | "spread" | "manifest"> {
  queries: readonly Omit<Brought, "file" | "field">[];
}

export function findingsOf(results: Results, known: Known): Findings {
  const all = allCalls(results);
  const calls = all.filter(({ cells }) => cells > 0).sort((a, b) => b.cells - a.cells);
  const outcome = { sure: 0, broader: 0, unknown: 0 };
  for (const call of calls) outcome[call.outcome] += call.cells;
  const quality = results.category(columns.quality);
  const flags = quality ? countsOf(quality.values, values.qualities.length) : [];
  const novel = results.flag(columns.novel);
  const queries = known.queries.map((query) => ({ ...query, ...fileAndField(query.countsFrom) }));
  return {
    ...known,
    queries,
    cells: results.done,
    calls,
    outcome,
    quality: new Map(values.qualities.map((name, code) => [name, flags[code] ?? 0])),
    novel: novel && novel.reduce((sum, flag) => sum + flag, 0),
  };
}

/** Every call there may be, in the order of its codes; none without labels. */
export function allCalls(results: Results): Call[] {
  const call = results.category(results.call);
  if (!call) return [];
  const labels = new Set(results.category(columns.label)?.categories);
  const unknown = call.categories.lastIndexOf(values.unknown);
  const cells = countsOf(call.values, call.categories.length);
  const outcomeOf = (name: string, code: number): Outcome => {
    if (code === unknown) return "unknown";
    return labels.has(name) ? "sure" : "broader";
  };
  return call.categories.map((name, code) => ({
    code,
    name,
    outcome: outcomeOf(name, code),
    cells: cells[code],
  }));
}

function countsOf(codes: Int32Array, n: number): number[] {
  const counts = new Array<number>(n).fill(0);
  for (const code of codes) if (code >= 0) counts[code]++;
  return counts;
}

function fileAndField(where: string): Pick<Brought, "file" | "field"> {
  const found = /^([^]*), (X|raw|raw\/X|layers\[[^]*)$/.exec(where);
  const [source, field] = found ? [found[1], found[2]] : [where, ""];
  // a result is passed on; where its maker keeps the data is nobody's business
  return { file: source.split(/[\\/]/).pop() || source, field };
}
