/** Whether a cell has counts and genes enough to be judged by. */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import type { Annotator } from "./annotator";

const { columns, values } = decisions;
const FLAGS = values.qualities;

/** Of several flags a cell has the gravest. */
export function quality({ thresholds }: Manifest, covered: boolean): Annotator {
  const usual = FLAGS.indexOf(covered ? "ok" : "low_gene_coverage");
  return ({ library }) => {
    const flags = Int32Array.from(library, (counts) => {
      if (counts <= 0) return FLAGS.indexOf("empty");
      return counts < thresholds.low_depth ? FLAGS.indexOf("low_depth") : usual;
    });
    const name = columns.quality;
    return { columns: [{ name, kind: "category", categories: FLAGS, values: flags }] };
  };
}
