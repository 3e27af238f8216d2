/** What the page and its worker say to each other. */

import type { Compared } from "../mapping/compare";
import type { MappedBlock, ResultColumn, ResultMatrix } from "../mapping/columns";
import type { Consulted } from "../mapping/consensus/annotate";
import type { LabelReasons } from "../mapping/explain/reasons";
import type { NovelGroup } from "../mapping/novel_groups";
import type { MapOptions } from "../mapping/options";
import type { AtlasFit } from "../mapping/atlas_fit";
import type { Bundle } from "../mapping/samples";
import type { Spread } from "../mapping/spread";
import type { Verification } from "../mapping/verify";
import type { Brought } from "../report/findings";
import type { Column } from "../sources/source";
import type { Outcome } from "../writers/h5ad";

/** A question, or an answer to it, under the question's number. */
export interface Asked<T> {
  id: number;
  said: T;
}

/** What a report is made of: all columns, the matrices that it draws, and the names of all. */
export interface Reported {
  columns: ResultColumn[];
  matrices: ResultMatrix[];
  names: string[];
}

/** An atlas that is asked beside the first, by its name on the site; its members by name. */
export interface Beside {
  name: string;
  parts: ReadonlyMap<string, Blob>;
}

export type Ask =
  | { kind: "open"; wasm: Blob; parts: ReadonlyMap<string, Blob> }
  /** Read some cells of a file; `manifests` are those of all atlases that will be asked. */
  | { kind: "some cells"; bundle: Bundle; manifests: readonly Blob[]; options: MapOptions }
  /** How these cells fit an atlas. */
  | { kind: "fit"; atlas: string; wasm: Blob; parts: ReadonlyMap<string, Blob>; options: MapOptions }
  /** Open an atlas that will be asked beside the first. */
  | { kind: "open another"; atlas: Beside }
  | { kind: "map"; bundles: Bundle[]; options: MapOptions; also: readonly Beside[] }
  | { kind: "gene"; gene: number }
  | { kind: "column"; name: string }
  | { kind: "compare"; kinds: Uint8Array }
  | { kind: "type reasons"; run: number; label: number }
  | { kind: "cell reasons"; run: number; cell: number; label: number }
  | { kind: "h5ad"; run: number; results: Omit<Outcome, "uns"> }
  | { kind: "report"; run: number; results: Reported };

/** What is known of a query before its first cell is mapped. */
export interface Started {
  nCells: number;
  /** What was matched of each query. */
  queries: Omit<Brought, "file" | "field">[];
  notes: string[];
  obsColumns: string[];
  /** [panel], 1 where any query has the gene. */
  measured: Uint8Array;
}

export interface Finished {
  /** Number of the question that it answers. */
  run: number;
  seconds: number;
  novelGroups: NovelGroup[];
  /** How far the cells spread beside the reference's; null where there is nothing to compare. */
  spread: Spread | null;
  /** Columns that are known once all cells were seen. */
  columns: ResultColumn[];
  /** Labels of which it can be told which genes spoke for them, the most common first. */
  explained: readonly number[];
  /** What is known of other atlases that were asked; null where none was. */
  asked: Consulted | null;
  /** What could not be found out beside the mapping, a sentence each. */
  lacks: string[];
}

export type Answer =
  /** Said while an HDF5 file is read: until the next answer, silence means that it has no end. */
  | { kind: "reading" }
  | { kind: "some cells"; nCells: number }
  | { kind: "fit"; fit: AtlasFit }
  | { kind: "opened"; verification: Verification }
  | { kind: "started"; started: Started }
  | { kind: "block"; block: MappedBlock; names: string[] }
  | { kind: "mapped"; finished: Finished }
  | { kind: "gene"; values: Float32Array }
  | { kind: "column"; column: Column }
  | { kind: "compared"; compared: Compared }
  | { kind: "reasons"; reasons: LabelReasons }
  | { kind: "h5ad"; bytes: Uint8Array<ArrayBuffer> }
  | { kind: "report"; page: string }
  | { kind: "failed"; sentence: string };
