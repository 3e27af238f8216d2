/** The worker: holds the atlas and the query, reads and maps. The page stays free meanwhile. */

import type { File as H5File } from "h5wasm";

import { hasReference } from "../atlas/manifest";
import { openParts, type Parts, partsIn } from "../atlas/parts";
import { readTrajectory } from "../atlas/trajectory";
import { InputError, sentence } from "../errors";
import { type Atlas, openAtlas } from "../mapping/atlas";
import { type Compared, Comparison } from "../mapping/compare";
import { linearFeatures } from "../mapping/features";
import { cellScales, eachValue, geneValues, KeptCounts, shownTarget, type Visit } from "../mapping/kept_counts";
import { NovelCells } from "../mapping/novel_cells";
import type { NovelGroup } from "../mapping/novel_groups";
import { provenance } from "../mapping/provenance";
import { BLOCK_CELLS, type MapOptions } from "../mapping/options";
import { checkedBlocks, mapQuery, openQuery, type Query } from "../mapping/query";
import { Results } from "../mapping/results";
import { QuerySpread } from "../mapping/spread";
import { verifyAtlas } from "../mapping/verify";
import { hdf5 } from "../sources/hdf5";
import { openFiles } from "../sources/open";
import { ReadAhead } from "../sources/read_ahead";
import { beginning, type Outcome, writeH5ad } from "../writers/h5ad";
import type { Answer, Ask, Asked } from "./messages";
import { reportOf, type Run } from "./report";

const MOUNT = "/query";
const RESULT = "/result.h5ad";
// progress several times a second, even on small machines
const PAGE_BLOCK = BLOCK_CELLS / 2;

let parts: Parts;
let atlas: Atlas;
let query: Query | null = null;
let kept: KeptCounts | null = null;
// what the h5ad and the report of a finished run say of it
let told: Run | null = null;
let asked = 0;
let before: Promise<void> = Promise.resolve();

function say(said: Answer, transfer: Transferable[] = []): void {
  self.postMessage({ id: asked, said } satisfies Asked<Answer>, { transfer });
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
    case "map":
      return map(ask.files, ask.options);
    case "gene":
      return say({ kind: "gene", values: await geneOfQuery(ask.gene) });
    case "column":
      return say({ kind: "column", column: opened().contents.cells.column(ask.name) });
    case "compare":
      return say({ kind: "compared", compared: await compared(ask.kinds) });
    case "h5ad": {
      const bytes = await h5adOf(ask.run, ask.results);
      return say({ kind: "h5ad", bytes }, [bytes.buffer]);
    }
    case "report": {
      const run = finishedRun(ask.run);
      const { nCells } = opened().place.matrix;
      const results = Results.of(nCells, ask.columns, ask.matrices);
      return say({ kind: "report", page: await reportOf(run, results, opened().genes.measured, parts, eachCount) });
    }
  }
}

async function map(files: readonly File[], options: MapOptions): Promise<void> {
  const began = performance.now();
  query?.contents.close();
  query = kept = told = null;
  const contents = await openFiles(files, await mountedHdf5(), options.genome);
  query = await openQuery(contents, atlas, options);
  const { genes, place } = query;
  say({
    kind: "started",
    started: {
      nCells: place.matrix.nCells,
      queries: [broughtOf(query)],
      notes: query.notes,
      obsColumns: contents.cells.columns,
      measured: genes.measured,
    },
  });
  kept = new KeptCounts(shownTarget(query.basis, atlas.panel), genes.measured.length, !options.allowFractional);
  const novel = new NovelCells(place.matrix.nCells, atlas.manifest);
  const spread = new QuerySpread(atlas.manifest);
  for await (const [block, encoded] of mapQuery(query, atlas, PAGE_BLOCK)) {
    kept.add(encoded);
    novel.add(block);
    spread.add(block);
    const names = contents.cells.index(block.start, block.start + block.nCells);
    const buffers = [...block.columns, ...block.matrices].map((one) => one.values.buffer);
    say({ kind: "block", block, names }, buffers as ArrayBuffer[]);
  }
  const [novelGroups, lacks] = await novelOf(novel, query, kept);
  const columns = query.votes?.columns(() => say({ kind: "reading" })) ?? [];
  const seconds = (performance.now() - began) / 1000;
  const uns = provenance(query, atlas.manifest, await readTrajectory(parts), seconds);
  const found = hasReference(atlas.manifest) ? await spread.beside(parts) : null;
  told = { run: asked, uns, queries: [broughtOf(query)], groups: novelGroups, spread: found };
  const finished = { run: asked, seconds, novelGroups, spread: found, columns, lacks };
  say({ kind: "mapped", finished });
}

/** Groups of novel cells; where they cannot be found, why: the mapping holds without them. */
async function novelOf(
  cells: NovelCells,
  { genes }: Query,
  counts: KeptCounts,
): Promise<[NovelGroup[], string[]]> {
  try {
    return [await cells.groups(parts, genes.measured, counts), []];
  } catch (error) {
    return [[], [`Groups among the cells unlike the atlas were not looked for: ${sentence(error)}`]];
  }
}

/** Mounts a file so that only the pieces that are asked for are read. */
async function mountedHdf5(): Promise<(file: File) => H5File> {
  const { files: FS, open } = await hdf5();
  (FS.filesystems.WORKERFS as ReadingFs).stream_ops.read = readFile;
  return (file) => {
    say({ kind: "reading" });
    if (FS.analyzePath(MOUNT).exists) FS.unmount(MOUNT);
    else FS.mkdir(MOUNT);
    FS.mount(FS.filesystems.WORKERFS, { files: [file] }, MOUNT);
    return open(`${MOUNT}/${file.name}`);
  };
}

interface ReadingFs {
  stream_ops: { read: typeof readFile };
}

const ahead = new WeakMap<File, ReadAhead>();
let toldOfReading = 0;

/** Reads of a mounted file; the page is told, once a second, that it is still being read. */
function readFile(
  { node }: { node: { contents: File } },
  { buffer, byteOffset }: Int8Array,
  offset: number,
  length: number,
  position: number,
): number {
  const now = performance.now();
  if (now - toldOfReading > 1000) {
    toldOfReading = now;
    say({ kind: "reading" });
  }
  const pieces = ahead.get(node.contents) ?? new ReadAhead(node.contents, readNow);
  ahead.set(node.contents, pieces);
  return pieces.read(new Uint8Array(buffer, byteOffset + offset, length), position);
}

function readNow(piece: Blob): ArrayBuffer {
  return new FileReaderSync().readAsArrayBuffer(piece);
}

/** Values of a gene: of the counts that were kept, or by reading the file once more. */
async function geneOfQuery(gene: number): Promise<Float32Array> {
  if (kept?.fits) return kept.gene(gene);
  const { basis, place } = opened();
  const values = new Float32Array(place.matrix.nCells);
  for await (const block of checkedBlocks(opened(), PAGE_BLOCK)) {
    const encoded = linearFeatures(basis, block);
    const scale = cellScales(encoded.library, shownTarget(basis, atlas.panel));
    values.set(geneValues({ ...encoded, scale }, gene), block.start);
  }
  return values;
}

/** Genes of two kinds of cells. */
async function compared(kinds: Uint8Array): Promise<Compared> {
  const { place, genes } = opened();
  if (kinds.length !== place.matrix.nCells) throw new InputError("These cells are gone; choose them again.");
  const comparison = new Comparison(kinds, genes.measured.length);
  await eachCount((cell, gene, value) => comparison.add(cell, gene, value));
  return comparison.found;
}

/** Visit the log-normalised counts of all cells: those that were kept, or by reading the file again. */
async function eachCount(visit: Visit): Promise<void> {
  if (kept?.fits) return kept.forEach(visit);
  const { basis } = opened();
  for await (const block of checkedBlocks(opened(), PAGE_BLOCK)) {
    const encoded = linearFeatures(basis, block);
    const scale = cellScales(encoded.library, shownTarget(basis, atlas.panel));
    eachValue({ ...encoded, scale }, (cell, gene, value) => visit(block.start + cell, gene, value));
  }
}

async function h5adOf(
  run: number,
  results: Omit<Outcome, "uns">,
): Promise<Uint8Array<ArrayBuffer>> {
  const { uns } = finishedRun(run);
  const { files: FS, open, write } = await hdf5();
  write(RESULT, beginning());
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

function opened(): Query {
  if (!query) throw new InputError("No file is open; choose one first.");
  return query;
}
