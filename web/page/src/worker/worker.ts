/** The worker: holds the atlas and the query, reads and maps. The page stays free meanwhile. */

import { hasReference } from "../atlas/manifest";
import { openParts, type Parts, partsIn } from "../atlas/parts";
import { readTrajectory } from "../atlas/trajectory";
import decisions, { say as phrase } from "../decisions";
import { InputError, sentence } from "../errors";
import { type Atlas, openAtlas } from "../mapping/atlas";
import { type Compared, Comparison } from "../mapping/compare";
import { measuredBasis } from "../mapping/explain/counted";
import { LabelGenes } from "../mapping/explain/label_genes";
import { countOne } from "../mapping/explain/one_cell";
import { Why } from "../mapping/explain/why";
import { linearFeatures } from "../mapping/features";
import { cellScales, eachValue, geneValues, KeptCounts, type ScaledCounts, shownTarget, type Visit } from "../mapping/kept_counts";
import { NovelCells, tellsGroups } from "../mapping/novel_cells";
import { type NovelGroup, numbersOf } from "../mapping/novel_groups";
import { BLOCK_CELLS, type MapOptions } from "../mapping/options";
import { geneReport, provenance } from "../mapping/provenance";
import { checkedBlocks, type Chosen, mapQuery, openQuery, type Query } from "../mapping/query";
import { Results } from "../mapping/results";
import { type Bundle, checkNames, columnOf, columnsOf, Joining, measuredIn, nameSuffixes, type Sample, samplesOf } from "../mapping/samples";
import { QuerySpread } from "../mapping/spread";
import { verifyAtlas } from "../mapping/verify";
import { hdf5 } from "../sources/hdf5";
import { Mounts } from "../sources/mounted";
import { openFiles } from "../sources/open";
import { begun, type Outcome, writeH5ad } from "../writers/h5ad";
import type { Answer, Ask, Asked } from "./messages";
import { OtherAtlases } from "./others";
import { reportOf, type Run } from "./report";
import { fitFrom, readSome } from "./some_cells";

const RESULT = "/result.h5ad";
// progress several times a second, even on small machines
const PAGE_BLOCK = BLOCK_CELLS / 2;

let parts: Parts;
let atlas: Atlas;
const others = new OtherAtlases();
let mounts: Mounts | null = null;
let samples: Sample[] = [];
let kept: KeptCounts | null = null;
// what the h5ad and the report of a finished run say of it
let told: Run | null = null;
// of a file that is to be ranked
let some: Chosen | null = null;
let asked = 0;
let before: Promise<void> = Promise.resolve();

function say(said: Answer, transfer: Transferable[] = []): void {
  self.postMessage({ id: asked, said } satisfies Asked<Answer>, { transfer });
}

/** The page is told that a file is still being read. */
function reading(): void {
  say({ kind: "reading" });
}

// one question at a time
self.onmessage = ({ data: { id, said } }: MessageEvent<Asked<Ask>>) => {
  before = before.then(async () => {
    asked = id;
    try {
      await respond(said);
    } catch (error) {
      say({ kind: "failed", sentence: sentence(error) });
    }
  });
};

async function respond(ask: Ask): Promise<void> {
  switch (ask.kind) {
    case "open":
      parts = await openParts(partsIn(ask.parts));
      atlas = await openAtlas(parts, await ask.wasm.arrayBuffer());
      return say({ kind: "opened", verification: await verifyAtlas(atlas, parts) });
    case "some cells":
      some = await readSome(ask.bundle, ask.manifests, ask.options, reading);
      return say({ kind: "some cells", nCells: some.place.matrix.nCells });
    case "fit":
      return say({ kind: "fit", fit: await fitFrom(ask.atlas, ask.wasm, ask.parts, some, ask.options) });
    case "open another":
      return say({ kind: "opened", verification: await others.verify(ask.atlas, atlas) });
    case "map":
      return map(ask.bundles, ask.options, await others.engines(ask.also));
    case "gene":
      return say({ kind: "gene", values: await geneOfQuery(ask.gene) });
    case "column":
      return say({ kind: "column", column: columnOf(opened().map(({ contents }) => contents.cells), ask.name) });
    case "compare":
      return say({ kind: "compared", compared: await compared(ask.kinds) });
    case "type reasons":
      return say({ kind: "reasons", reasons: await whyIn(ask.run).ofType(ask.label) });
    case "cell reasons": {
      const why = whyIn(ask.run);
      const sample = [...samples].reverse().find(({ start }) => start <= ask.cell)!;
      const cell = await countOne(sample, atlas.panel, kept, ask.cell);
      return say({ kind: "reasons", reasons: await why.ofCell(cell, ask.label) });
    }
    case "h5ad": {
      const bytes = await h5adOf(ask.run, ask.results);
      return say({ kind: "h5ad", bytes }, [bytes.buffer]);
    }
    case "report": {
      const run = finishedRun(ask.run);
      const measured = measuredIn(opened(), "every");
      const { columns, matrices, names } = ask.results;
      const results = Results.of(nCells(), columns, matrices);
      return say({ kind: "report", page: await reportOf(run, results, names, measured, parts, eachCount) });
    }
  }
}

/** Map files as samples of one result: all of them, or none. */
async function map(bundles: readonly Bundle[], options: MapOptions, also: readonly Atlas[]): Promise<void> {
  const began = performance.now();
  for (const { query } of samples) query.contents.close();
  samples = [];
  kept = told = null;
  checkNames(bundles);
  if (options.novelGroups && bundles.length > 1) throw new InputError(decisions.novel_groups.several);
  mounts?.letGo();
  const now = (mounts = await Mounts.start());
  const mount = (file: File) => {
    reading();
    return now.inRanges(file, reading);
  };
  const queries: Query[] = [];
  for (const { files } of bundles) {
    queries.push(await openQuery(await openFiles(files, mount, options.genome), atlas, options, also));
  }
  samples = samplesOf(queries);
  const frames = queries.map(({ contents }) => contents.cells);
  const suffixes = nameSuffixes(frames);
  if (suffixes.some((suffix) => suffix)) queries[0].notes.push(decisions.files.repeated_cells);
  const numbered = options.novelGroups && tellsGroups(parts);
  if (options.novelGroups && !numbered) {
    queries[0].notes.push(phrase(decisions.novel_groups.not_told, { atlas: atlas.manifest.name }));
  }
  say({
    kind: "started",
    started: {
      nCells: nCells(),
      queries: queries.map(broughtOf),
      notes: queries.flatMap(({ notes }) => notes),
      obsColumns: columnsOf(frames),
      measured: measuredIn(queries, "some"),
    },
  });
  const measured = measuredIn(queries, "every");
  kept = new KeptCounts(measured.length, !options.allowFractional);
  const novel = new NovelCells(nCells(), atlas.manifest);
  const spread = new QuerySpread(atlas.manifest);
  const ofLabels = new LabelGenes(atlas.manifest);
  const joining = new Joining(bundles.map(({ name }) => name));
  for (const [i, { query, start }] of samples.entries()) {
    const basis = measuredBasis(query, atlas.panel);
    for await (const [own, encoded] of mapQuery(query, atlas, PAGE_BLOCK)) {
      kept.add(encoded, shownTarget(query.basis, atlas.panel));
      const names = frames[i].index(own.start, own.start + own.nCells).map((name) => name + suffixes[i]);
      const block = joining.block(own, i, start);
      novel.add(block);
      spread.add(block);
      if (!options.rescaleGenes) ofLabels.add(block, encoded, basis);
      const buffers = [...block.columns, ...block.matrices].map((one) => one.values.buffer);
      say({ kind: "block", block, names }, buffers as ArrayBuffer[]);
    }
  }
  const [novelGroups, lacks] = await novelOf(novel, measured, kept);
  const columns = joining.columns(
    queries.map(({ votes }) => votes?.columns(reading) ?? []),
  );
  if (numbered && !lacks.length) columns.push(numbersOf(nCells(), novelGroups));
  const seconds = (performance.now() - began) / 1000;
  const uns = provenance(queries, atlas.manifest, await readTrajectory(parts), seconds);
  const found = hasReference(atlas.manifest) ? await spread.beside(parts) : null;
  const genes = queries.map(geneReport);
  const why = new Why(parts, ofLabels);
  // as on the command line, the first query's
  const [{ consensus }] = queries;
  const consulted = consensus && { also: consensus.also, labelsAlike: consensus.labelsAlike };
  const both = { run: asked, asked: consulted, spread: found };
  told = { ...both, uns, queries: queries.map(broughtOf), genes, groups: novelGroups, why };
  const finished = { ...both, seconds, novelGroups, columns, explained: why.labels, lacks };
  say({ kind: "mapped", finished });
}

/** Groups of novel cells; where they cannot be found, why: the mapping holds without them. */
async function novelOf(
  cells: NovelCells,
  measured: Uint8Array,
  counts: KeptCounts,
): Promise<[NovelGroup[], string[]]> {
  try {
    return [await cells.groups(parts, measured, counts), []];
  } catch (error) {
    return [[], [`Groups among the cells unlike the atlas were not looked for: ${sentence(error)}`]];
  }
}

/** Values of a gene: of the counts that were kept, or by reading the files once more; NaN in the
 * cells of a file that lacks it. */
async function geneOfQuery(gene: number): Promise<Float32Array> {
  let values = new Float32Array(nCells());
  if (kept?.fits) values = Float32Array.from(kept.gene(gene));
  else await eachBlock((block, start) => values.set(geneValues(block, gene), start));
  for (const { query, start } of samples) {
    const { genes, place } = query;
    if (!genes.measured[gene]) values.fill(NaN, start, start + place.matrix.nCells);
  }
  return values;
}

/** Genes of two kinds of cells; those that a file lacks are left out. */
async function compared(kinds: Uint8Array): Promise<Compared> {
  if (kinds.length !== nCells()) throw new InputError("These cells are gone; choose them again.");
  const measured = measuredIn(opened(), "every");
  const comparison = new Comparison(kinds, measured.length);
  await eachCount((cell, gene, value) => measured[gene] && comparison.add(cell, gene, value));
  return comparison.found;
}

function whyIn(run: number): Why {
  const { why } = finishedRun(run);
  if (opened()[0].options.rescaleGenes) throw new InputError(decisions.explain.rescaled);
  return why;
}

/** Visit the log-normalised counts of all cells: those that were kept, or by reading the files again. */
async function eachCount(visit: Visit): Promise<void> {
  if (kept?.fits) return kept.forEach(visit);
  await eachBlock((block, start) => eachValue(block, (cell, gene, value) => visit(start + cell, gene, value)));
}

/** Read the counts of all cells once more. */
async function eachBlock(visit: (block: ScaledCounts, start: number) => void): Promise<void> {
  opened();
  for (const { query, start } of samples) {
    for await (const block of checkedBlocks(query, PAGE_BLOCK)) {
      const encoded = linearFeatures(query.basis, block);
      const scale = cellScales(encoded.library, shownTarget(query.basis, atlas.panel));
      visit({ ...encoded, scale }, start + block.start);
    }
  }
}

async function h5adOf(
  run: number,
  results: Omit<Outcome, "uns">,
): Promise<Uint8Array<ArrayBuffer>> {
  const { uns } = finishedRun(run);
  const { files: FS, open, write } = await hdf5();
  write(RESULT, begun(results.columns));
  try {
    const file = open(RESULT, "a");
    try {
      await writeH5ad(file, { ...results, uns });
    } finally {
      file.close();
    }
    // a copy of its own, that can be handed over
    return new Uint8Array(FS.readFile(RESULT));
  } finally {
    FS.unlink(RESULT);
  }
}

function finishedRun(run: number): Run {
  if (told?.run !== run) throw new InputError("These results are gone; map the file again.");
  return told;
}

function broughtOf({ genes, place, coverage }: Query): Run["queries"][number] {
  const { nMatched, measured, organism } = genes;
  return { countsFrom: place.matrix.where, nMatched, nPanel: measured.length, organism, coverage };
}

function nCells(): number {
  return samples.reduce((n, { query }) => n + query.place.matrix.nCells, 0);
}

function opened(): Query[] {
  if (!samples.length) throw new InputError("No file is open; choose one first.");
  return samples.map(({ query }) => query);
}
