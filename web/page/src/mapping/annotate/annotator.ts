/** What adds columns and matrices to mapped cells. */

import type { Answers } from "../../atlas/session";
import type { ResultColumn, ResultMatrix } from "../columns";

/** What the encoder says of a block of cells. */
export interface Answered {
  answers: Answers;
  /** Counts over the panel genes; nothing is known of a cell without. */
  library: Float64Array;
}

export interface Added {
  columns: ResultColumn[];
  matrices?: ResultMatrix[];
}

export type Annotator = (cells: Answered) => Added;

export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** Values of one cell in an answer. */
export function rowOf(answers: Answers, name: string, cell: number): Float32Array {
  const { data, width } = answers.get(name)!;
  return data.subarray(cell * width, (cell + 1) * width);
}
