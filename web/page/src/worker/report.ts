/** The report of a finished run, of what the worker holds and the page hands back. */

import { readLineages, readTrajectory } from "../atlas/trajectory";
import type { Parts } from "../atlas/parts";
import decisions from "../decisions";
import type { Consulted } from "../mapping/consensus/annotate";
import type { Why } from "../mapping/explain/why";
import type { Visit } from "../mapping/kept_counts";
import { LineageCounts, type QueryLineages } from "../mapping/lineages";
import type { NovelGroup } from "../mapping/novel_groups";
import type { GeneReport, provenance } from "../mapping/provenance";
import type { Results } from "../mapping/results";
import { ratioOf, type Spread } from "../mapping/spread";
import { allCalls, type Brought, findingsOf } from "../report/findings";
import { opinionsOf } from "../report/opinions";
import { readBackground } from "../report/saved/background";
import type { Path } from "../report/saved/contents";
import { gather } from "../report/saved/gathered";
import { render } from "../report/saved/page";

const { columns } = decisions;

/** What is known of a finished run beside its columns. */
export interface Run {
  run: number;
  uns: ReturnType<typeof provenance>;
  queries: readonly Omit<Brought, "file" | "field">[];
  genes: readonly GeneReport[];
  groups: readonly NovelGroup[];
  spread: Spread | null;
  /** What is known of other atlases that were asked. */
  asked: Consulted | null;
  why: Why;
}

/** `names` are those of all columns and matrices of the results, `measured` the genes that every query
 * has; `eachCount` visits the counts of all cells. */
export async function reportOf(
  { uns, queries, genes, groups, spread, asked, why }: Run,
  results: Results,
  names: readonly string[],
  measured: Uint8Array,
  parts: Parts,
  eachCount: (visit: Visit) => Promise<void>,
): Promise<string> {
  const { manifest } = parts;
  const background = await readBackground(parts);
  const known = { queries, manifest, nReference: background?.nCells ?? 0, spread: spread && ratioOf(spread) };
  const calls = allCalls(results);
  const path = await pathOf(parts);
  const facts = uns.cellport;
  return render({
    manifest,
    findings: findingsOf(results, known),
    calls,
    gathered: gather(results, calls, manifest),
    columns: new Set(names),
    background,
    spread,
    facts: {
      atlasSha256: facts.atlas_sha256,
      cellport: facts.cellport_version,
      onnxruntime: facts.onnxruntime_version,
      device: facts.device,
      seconds: facts.seconds,
      notes: [...new Set(facts.notes)],
      genes,
    },
    made: new Date(),
    groups,
    reasons: await why.ofTypes(),
    opinions: asked && opinionsOf(results, asked),
    path,
    queryLineages: path && (await lineagesOf(path, results, measured, eachCount)),
  });
}

async function pathOf(parts: Parts): Promise<Path | null> {
  const [trajectory, lineages] = [await readTrajectory(parts), await readLineages(parts)];
  return trajectory && lineages && { ...trajectory, ...lineages };
}

/** Null where cells were laid on no trajectory. */
async function lineagesOf(
  path: Path,
  results: Results,
  measured: Uint8Array,
  eachCount: (visit: Visit) => Promise<void>,
): Promise<QueryLineages | null> {
  const edge = results.category(columns.edge)?.values;
  const time = results.float(columns.pseudotime);
  if (!edge || !time) return null;
  const counts = new LineageCounts(path, edge, time);
  await eachCount((cell, gene, value) => counts.add(cell, gene, value));
  return counts.found(measured);
}
