/** What the page and its worker say to each other. */

import type { MappedBlock, ResultColumn } from "../mapping/columns";
import type { NovelGroup } from "../mapping/novel_groups";
import type { MapOptions } from "../mapping/query";
import type { Verification } from "../mapping/verify";
import type { Column } from "../sources/source";
import type { Outcome } from "../writers/h5ad";

export type Ask =
  | { kind: "open"; base: string; wasmUrl: string }
  | { kind: "map"; files: File[]; options: MapOptions }
  | { kind: "gene"; gene: number }
  | { kind: "column"; name: string }
  | { kind: "h5ad"; results: Omit<Outcome, "uns"> };

/** What is known of a query before its first cell is mapped. */
export interface Started {
  nCells: number;
  nMatched: number;
  nPanel: number;
  countsFrom: string;
  notes: string[];
  obsColumns: string[];
  /** [panel], 1 where the query has the gene. */
  measured: Uint8Array;
}

export interface Finished {
  seconds: number;
  novelGroups: NovelGroup[];
  /** Columns that are known once all cells were seen. */
  columns: ResultColumn[];
}

export type Answer =
  /** Said while an HDF5 file is read: until the next answer, silence means that it has no end. */
  | { kind: "reading" }
  | { kind: "opened"; verification: Verification }
  | { kind: "started"; started: Started }
  | { kind: "block"; block: MappedBlock; names: string[] }
  | { kind: "mapped"; finished: Finished }
  | { kind: "gene"; values: Float32Array }
  | { kind: "column"; column: Column }
  | { kind: "h5ad"; bytes: Uint8Array<ArrayBuffer> }
  | { kind: "failed"; sentence: string };
