/** Whether a cell is like anything in the atlas. */

import { noveltyP, type NoveltyTable } from "../../atlas/novelty_table";
import decisions from "../../decisions";
import type { Annotator } from "./annotator";

const { columns } = decisions;

/** An empty cell is never novel: nothing is known of it. */
export function novelty(table: NoveltyTable, level: number, measuredShare: number): Annotator {
  const least = Math.fround(level);
  return ({ answers, library }) => {
    const score = answers.get("novelty_score")!.data;
    const p = Float32Array.from(library, (counts, cell) =>
      counts <= 0 ? 1 : noveltyP(table, score[cell], counts, measuredShare),
    );
    const novel = Uint8Array.from(p, (value) => Number(value < least));
    return {
      columns: [
        { name: columns.novelty_p, kind: "float", values: p },
        { name: columns.novel, kind: "bool", values: novel },
      ],
    };
  };
}
