/** What a mapping came to, in numbers. */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import type { Results } from "../../mapping/results";
import type { Findings, Outcome } from "../../report/findings";
import { isCalibrated } from "../../report/sentences";
import { grouped, shareOf } from "../../words";
import { genesTerm, type Term } from "../explain/terms";

const { columns } = decisions;

export interface TypeRow {
  name: string;
  code: number;
  outcome: Outcome;
  cells: number;
  /** Mean probability; null where labels come without. */
  prob: number | null;
  novel: number;
}

/** Cells, mean confidence and novel cells of each call, most frequent first. */
export function typeRows(results: Results, { calls }: Findings): TypeRow[] {
  const call = results.category(results.call);
  const prob = results.float(columns.prob);
  const novel = results.flag(columns.novel);
  if (!call) return [];
  const [sums, strange] = [new Map<number, number>(), new Map<number, number>()];
  for (let cell = 0; cell < results.done; cell++) {
    const code = call.values[cell];
    sums.set(code, (sums.get(code) ?? 0) + (prob?.[cell] ?? 0));
    if (novel?.[cell]) strange.set(code, (strange.get(code) ?? 0) + 1);
  }
  return calls.map((one) => ({
    ...one,
    prob: prob && sums.get(one.code)! / one.cells,
    novel: strange.get(one.code) ?? 0,
  }));
}

export interface Tile {
  value: string;
  label: string;
  term: Term | null;
}

export function tiles(findings: Findings, rows: readonly TypeRow[], manifest: Manifest): Tile[] {
  const { cells, outcome, novel, nMatched, nPanel } = findings;
  const n = Math.max(1, cells);
  const calibrated = isCalibrated(findings);
  const found: Tile[] = [{ value: grouped(cells), label: "cells", term: null }];
  if (rows.length) {
    const label = calibrated ? "called a type or group" : "labelled";
    found.push({ value: shareOf(n - outcome.unknown, n), label, term: calibrated ? "call" : "label" });
    const prob = rows.reduce((sum, row) => sum + (row.prob ?? NaN) * row.cells, 0) / n;
    const term = calibrated ? "prob" : "model_prob";
    if (!Number.isNaN(prob)) found.push({ value: shareOf(prob, 1), label: "mean confidence", term });
  }
  if (novel !== null) {
    found.push({ value: shareOf(novel, n), label: "unlike the atlas", term: "novel" });
  }
  const genes = shareOf(nMatched, nPanel);
  found.push({ value: genes, label: "of the atlas’s genes found", term: genesTerm(manifest) });
  return found;
}
