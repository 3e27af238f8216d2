/** What the package takes and gives. */

import type { ResultColumn, ResultMatrix } from "../mapping/columns";
import type { MapOptions } from "../mapping/options";

/** An atlas file: an address, its bytes, or under Node its path. */
export type AtlasSource = URL | string | Blob | Uint8Array | ArrayBuffer;

/** Cells: an `.h5ad`, `.h5mu` or 10x `.h5` file or its bytes; the files of a `matrix.mtx` and of the
 * names beside it; under Node the path of a file, or of a folder with a matrix. */
export type QuerySource = Blob | Uint8Array | ArrayBuffer | readonly File[] | string;

/** Facts of an open atlas. */
export interface Atlas {
  readonly name: string;
  readonly organism: string;
  /** Of the whole file, hexadecimal; empty where nothing can be hashed (plain http). */
  readonly sha256: string;
  /** The cell types. */
  readonly labels: readonly string[];
  /** The broader type that a label or type is one of. */
  readonly parents: ReadonlyMap<string, string>;
  /** The genes that mapping looks at, by symbol, by Ensembl id where there is none. */
  readonly genes: readonly string[];
  /** `manifest.json` as it stands in the file. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** The card, in Markdown. */
  readonly card: string;
  /** How well this machine computes the answers that the atlas was published with. */
  readonly verified: { readonly cells: number; readonly difference: number };
}

/** How to map; the names of `cellport map`, all of which may be left out. */
export interface Options extends Partial<Omit<MapOptions, "cellOntology" | "orthologs" | "novelGroups">> {
  /** Called before the first cell and after each block. */
  onProgress?: (progress: Progress) => void;
}

export interface Progress {
  /** Cells mapped so far. */
  done: number;
  total: number;
}

/** How the genes of a query were matched. */
export interface GeneMatching {
  /** The column of the query that names them. */
  column: string;
  organism: string;
  n_panel: number;
  n_query: number;
  n_matched: number;
  /** Of the panel. */
  share: number;
  by_rule: Record<string, number>;
  n_duplicated: number;
  n_ambiguous: number;
  /** Some of those that the query lacks. */
  missing: string[];
  warnings: string[];
}

/** Mapped cells: one typed array a column, named as in the files that `cellport map` writes. */
export interface Cells {
  nCells: number;
  /** Names of the cells. */
  cells: string[];
  /** `cellport_label`, `cellport_prob` and so on. */
  columns: ReadonlyMap<string, ResultColumn>;
  /** `X_cellport`, `X_cellport_umap` and so on, row after row. */
  matrices: ReadonlyMap<string, ResultMatrix>;
}

/** Consecutive cells of a query. */
export interface Block extends Cells {
  /** Cells before the first. */
  start: number;
}

/** All cells of a query. */
export interface Mapping extends Cells {
  /** Where the raw counts were found. */
  countsFrom: string;
  genes: GeneMatching;
  /** What to know of the query, a sentence each. */
  notes: string[];
}
