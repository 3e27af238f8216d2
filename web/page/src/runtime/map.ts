/** Cells to results. */

import { InputError } from "../errors";
import type { MappedBlock } from "../mapping/columns";
import { DEFAULTS, type MapOptions } from "../mapping/options";
import { geneReport } from "../mapping/provenance";
import { mapQuery, openQuery, type Query } from "../mapping/query";
import { Results } from "../mapping/results";
import { type Counts, openCounts } from "../sources/memory";
import { csvParts } from "../writers/csv";
import { engineOf } from "./engines";
import { type Opened, openQuerySource } from "./open_query";
import type { Atlas, Block, Cells, Mapping, Options, QuerySource } from "./types";

// the terms of labels and the table of orthologs are a site's, not the file's; groups are the page's
const OF_SITES = new Set(["cellOntology", "orthologs", "novelGroups"]);
const OPTIONS = new Map<string, unknown>(Object.entries(DEFAULTS).filter(([name]) => !OF_SITES.has(name)));

/**
 * Map cells onto an atlas.
 *
 * @throws InputError: the file cannot be read, holds no raw counts, or too few of the atlas's genes;
 * the sentence says what to do.
 */
export async function mapFile(atlas: Atlas, source: QuerySource, options: Options = {}): Promise<Mapping> {
  return gathered(atlas, (how) => openQuerySource(source, how.genome), options);
}

/** Map counts that are in memory, as `mapFile` maps files. */
export async function mapCounts(atlas: Atlas, counts: Counts, options: Options = {}): Promise<Mapping> {
  return gathered(atlas, async () => inMemory(counts), options);
}

/**
 * Map cells block by block, so that memory does not grow with their number. Codes of a block are
 * positions in the categories of the same block.
 */
export async function* mapBlocks(
  atlas: Atlas,
  source: QuerySource,
  options: Options = {},
): AsyncGenerator<Block> {
  if (options.groups != null) {
    throw new InputError("Groups are labelled once all their cells are mapped; use mapFile.");
  }
  const running = await started(atlas, (how) => openQuerySource(source, how.genome), options);
  try {
    for await (const [block, cells] of blocksOf(running)) yield blockOf(block, cells);
  } finally {
    running.letGo();
  }
}

/** The texts of a column of categories, one a cell, "" where there is none. */
export function texts(cells: Cells, name: string): string[] {
  const column = cells.columns.get(name);
  if (column?.kind !== "category") throw new InputError(`The results have no column of texts '${name}'.`);
  return Array.from(column.values, (code) => column.categories[code] ?? "");
}

/** Results as the table that `cellport map -o results.csv` writes. */
export function toCsv({ nCells, cells, columns, matrices }: Cells): string {
  return [...csvParts({ columns, matrices, names: cells, done: nCells })].join("");
}

type Open = (options: MapOptions) => Promise<Opened>;

interface Running {
  atlas: Atlas;
  query: Query;
  options: Options;
  letGo(): void;
}

function inMemory(counts: Counts): Opened {
  return { contents: openCounts(counts), letGo: () => undefined };
}

async function started(atlas: Atlas, open: Open, options: Options): Promise<Running> {
  const engine = engineOf(atlas);
  const how = howToMap(options);
  const { contents, letGo } = await open(how);
  try {
    return { atlas, query: await openQuery(contents, engine, how), options, letGo };
  } catch (error) {
    letGo();
    throw error;
  }
}

function howToMap(options: Options): MapOptions {
  const given = Object.entries(options).filter(([name, value]) => name !== "onProgress" && value !== undefined);
  for (const [name, value] of given) {
    if (!OPTIONS.has(name)) {
      throw new InputError(`There is no option '${name}'; there are ${[...OPTIONS.keys()].join(", ")}.`);
    }
    const usual = OPTIONS.get(name);
    const wanted = usual === null ? "string" : typeof usual;
    if (typeof value !== wanted && value !== usual) {
      throw new InputError(`The option '${name}' is a ${wanted}, not ${JSON.stringify(value)}.`);
    }
  }
  return { ...DEFAULTS, ...Object.fromEntries(given) };
}

/** Blocks of a query and the names of their cells. */
async function* blocksOf({ atlas, query, options }: Running): AsyncGenerator<[MappedBlock, string[]]> {
  const total = query.place.matrix.nCells;
  options.onProgress?.({ done: 0, total });
  for await (const [block] of mapQuery(query, engineOf(atlas))) {
    const done = block.start + block.nCells;
    yield [block, query.contents.cells.index(block.start, done)];
    options.onProgress?.({ done, total });
  }
}

function blockOf({ start, nCells, columns, matrices }: MappedBlock, cells: string[]): Block {
  return {
    start,
    nCells,
    cells,
    columns: new Map(columns.map((one) => [one.name, one])),
    matrices: new Map(matrices.map((one) => [one.name, one])),
  };
}

async function gathered(atlas: Atlas, open: Open, options: Options): Promise<Mapping> {
  const running = await started(atlas, open, options);
  const { query } = running;
  try {
    const results = new Results(query.place.matrix.nCells);
    for await (const [block, cells] of blocksOf(running)) results.add(block, cells);
    results.settle(query.votes?.columns() ?? []);
    const { nCells, names, columns, matrices } = results;
    const countsFrom = query.place.matrix.where;
    return { nCells, cells: names, columns, matrices, countsFrom, genes: geneReport(query), notes: query.notes };
  } finally {
    running.letGo();
  }
}
