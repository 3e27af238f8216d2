/** Results of a query: one typed array a column, in the order of `cellport map`. */

import decisions, { say } from "../decisions";

export type ResultColumn =
  | {
      name: string;
      kind: "category";
      categories: string[];
      values: Int32Array;
      /** Whether a cell may have any text, so that the categories are only those met. */
      free?: boolean;
    }
  | { name: string; kind: "float"; values: Float32Array }
  | { name: string; kind: "bool"; values: Uint8Array };

export interface ResultMatrix {
  name: string;
  width: number;
  values: Float32Array;
  /** Names of its columns in a table; they are numbered where there are none. */
  columns?: readonly string[];
}

/** Results of some consecutive cells. */
export interface MappedBlock {
  start: number;
  nCells: number;
  columns: ResultColumn[];
  matrices: ResultMatrix[];
}

/** What a column is called that another atlas has too; the beginning of all such without its name. */
export function ofAtlas(column: string, atlas = ""): string {
  return say(decisions.columns.of_atlas, { column, atlas });
}
