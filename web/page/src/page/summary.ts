/** What a mapping came to, in numbers and in plain words. */

import decisions from "../decisions";
import { cellsOf, grouped, percent } from "../words";
import type { FileResults } from "./file_results";

const { cautions: rules, columns, values } = decisions;

export interface TypeRow {
  name: string;
  code: number;
  cells: number;
  /** Mean probability; null where labels come without. */
  prob: number | null;
  novel: number;
}

/** Cells, mean confidence and novel cells of each call, most frequent first. */
export function typeRows(results: FileResults): TypeRow[] {
  const call = results.category(results.call);
  const prob = results.float(columns.prob);
  const novel = results.flag(columns.novel);
  if (!call) return [];
  const rows = call.categories.map((name, code) => ({ name, code, cells: 0, prob: 0, novel: 0 }));
  for (let cell = 0; cell < results.done; cell++) {
    const row = rows[call.values[cell]];
    row.cells++;
    row.prob += prob?.[cell] ?? 0;
    row.novel += novel?.[cell] ?? 0;
  }
  return rows
    .filter((row) => row.cells > 0)
    .map((row) => ({ ...row, prob: prob && row.prob / row.cells }))
    .sort((a, b) => b.cells - a.cells);
}

export interface Tile {
  value: string;
  label: string;
}

export function tiles(results: FileResults, rows: readonly TypeRow[]): Tile[] {
  const n = Math.max(1, results.done);
  const { nMatched, nPanel } = results.started;
  const found: Tile[] = [{ value: grouped(results.done), label: "cells" }];
  if (rows.length) {
    const unknown = rows.find((row) => row.name === values.unknown)?.cells ?? 0;
    const prob = rows.reduce((sum, row) => sum + (row.prob ?? NaN) * row.cells, 0) / n;
    const called = results.category(columns.call) ? "called a type or group" : "labelled";
    found.push({ value: percent(1 - unknown / n), label: called });
    if (!Number.isNaN(prob)) found.push({ value: percent(prob), label: "mean confidence" });
  }
  const novel = results.flag(columns.novel);
  if (novel) found.push({ value: percent(countOf(novel) / n), label: "unlike the atlas" });
  found.push({ value: percent(nMatched / nPanel), label: "of the atlas's genes found" });
  return found;
}

/** Sentences to look at first: of the gate, the genes, and the results. */
export function cautions(
  results: FileResults,
  rows: readonly TypeRow[],
  novelP: number,
): string[] {
  const n = Math.max(1, results.done);
  const said = [...results.started.notes];
  const quality = results.category(columns.quality);
  const cells = (name: string) => {
    const code = values.qualities.indexOf(name);
    return quality ? quality.values.reduce((sum, v) => sum + Number(v === code), 0) : 0;
  };
  const empty = cells("empty");
  const low = cells("low_depth");
  if (empty) said.push(`${cellsOf(empty)} without counts in the atlas's genes: called unknown.`);
  if (low >= rules.many_shallow.value * n) {
    said.push(`${cellsOf(low)} with few counts (${percent(low / n)}): their labels are less sure.`);
  }
  const unknown = rows.find((row) => row.name === values.unknown)?.cells ?? 0;
  if (rows.length && !results.category(columns.call)) {
    said.push(results.columns.has(columns.distance) ? rules.nearest : rules.uncalibrated);
  }
  if (unknown >= rules.many_unknown.value * n) {
    said.push(
      `${percent(unknown / n)} of the cells are sure of no type. Is this the tissue the atlas is of?`,
    );
  }
  const novel = countOf(results.flag(columns.novel));
  const { many_novel: many, novel_by_chance: times } = rules;
  if (novel >= Math.max(times.value * novelP, many.value) * n) {
    said.push(
      `${cellsOf(novel)} look unlike the atlas (${percent(novel / n)}); of cells like the ` +
        `reference, ${percent(novelP)} would. Another technology can also be the reason.`,
    );
  }
  return said;
}

function countOf(flags: Uint8Array | null): number {
  return flags ? flags.reduce((sum, flag) => sum + flag, 0) : 0;
}
