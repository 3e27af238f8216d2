/** Everything a report shows, and the small questions its parts ask of it.
 *
 * Same as `runtime/report/contents.py` of the Python package.
 */

import type { Manifest } from "../../atlas/manifest";
import type { Lineages, Trajectory } from "../../atlas/trajectory";
import decisions from "../../decisions";
import type { QueryLineages } from "../../mapping/lineages";
import type { LabelReasons } from "../../mapping/explain/reasons";
import type { NovelGroup } from "../../mapping/novel_groups";
import type { GeneReport } from "../../mapping/provenance";
import type { Spread } from "../../mapping/spread";
import type { Call, Findings } from "../findings";
import type { Opinions } from "../opinions";
import type { Background } from "./background";
import type { Gathered } from "./gathered";

const COLOURS = decisions.colours.of_calls.value;

/** The atlas's trajectory, with what its lineages are like. */
export type Path = Trajectory & Lineages;

export interface Facts {
  atlasSha256: string;
  cellport: string;
  onnxruntime: string;
  device: string;
  seconds: number;
  notes: readonly string[];
  /** As each query's genes were matched. */
  genes: readonly GeneReport[];
}

export interface Contents {
  manifest: Manifest;
  findings: Findings;
  /** Every call there may be, by code. */
  calls: readonly Call[];
  gathered: Gathered;
  /** Names of columns and matrices of the results. */
  columns: ReadonlySet<string>;
  background: Background | null;
  spread: Spread | null;
  facts: Facts;
  made: Date;
  groups: readonly Pick<NovelGroup, "sentence" | "markers">[];
  /** Genes that spoke for the types, where they were looked for. */
  reasons: readonly LabelReasons[];
  /** Where several atlases were asked. */
  opinions: Opinions | null;
  path: Path | null;
  queryLineages: QueryLineages | null;
}

/** One kind of call, as the report shows it. */
export interface Shown extends Call {
  /** Number on the map; 0 for unknown. */
  mark: number;
  /** Class of the style sheet. */
  colour: string;
}

/** Calls with cells, most first and unknown last, then types without any cell. */
export function shownCalls({ calls }: Contents): Shown[] {
  const rank = ({ outcome, cells }: Call) => (outcome === "unknown" ? 1 : -cells);
  return calls
    .filter(({ cells, outcome }) => cells || outcome !== "broader")
    .sort((a, b) => rank(a) - rank(b))
    .map((call, i) => {
      if (call.outcome === "unknown") return { ...call, mark: 0, colour: "ku" };
      return { ...call, mark: i + 1, colour: i < COLOURS ? `k${i}` : "kx" };
    });
}
