/** What a mapping came to, in numbers. */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import type { Results } from "../../mapping/results";
import type { Findings, Outcome } from "../../report/findings";
import { fewestGenes, isCalibrated } from "../../report/sentences";
import { grouped, shareOf } from "../../words";
import { genesTerm, type Term } from "../explain/terms";

const { columns, report } = decisions;

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
  const sums = new Float64Array(call.categories.length);
  const strange = new Float64Array(call.categories.length);
  for (let cell = 0; cell < results.done; cell++) {
    const code = call.values[cell];
    if (prob) sums[code] += prob[cell];
    if (novel) strange[code] += novel[cell];
  }
  return calls.map((one) => ({
    ...one,
    prob: prob && sums[one.code] / one.cells,
    novel: strange[one.code],
  }));
}

export interface Tile {
  value: string;
  label: string;
  term: Term | null;
}

export function tiles(findings: Findings, rows: readonly TypeRow[], manifest: Manifest): Tile[] {
  const { cells, outcome, novel } = findings;
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
  const { nMatched, nPanel } = fewestGenes(findings);
  const several = findings.queries.length > 1;
  const genes = shareOf(nMatched, nPanel);
  found.push({ value: genes, label: `of the atlas’s genes found${several ? `, ${report.tile_in_fewest}` : ""}`, term: genesTerm(manifest) });
  return found;
}
