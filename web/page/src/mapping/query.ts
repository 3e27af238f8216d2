/** A query, block by block, to results. */

import type { Manifest } from "../atlas/manifest";
import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import type { GeneColumns } from "../genes/columns";
import { type GeneMatch, matchGenes, organismOf, type Panel } from "../genes/match";
import { translate } from "../genes/orthologs";
import { lacksNames, previousSymbols } from "../genes/previous";
import { checkBlock, chooseCounts } from "../sources/gate";
import { spreadRead } from "../sources/spread_cells";
import type { Column, Contents, CountBlock, Frame, Place } from "../sources/source";
import { annotators } from "./annotate/all";
import { GroupVotes, statedGroups } from "./annotate/groups";
import { refuseWithoutProbabilities } from "./annotate/probabilities";
import { refuseWithoutLabels } from "./annotate/terms";
import type { Atlas } from "./atlas";
import type { MappedBlock } from "./columns";
import { type Consensus, consensus } from "./consensus/annotate";
import { companion } from "./consensus/companion";
import { numbered } from "./consensus/labels_alike";
import { listen } from "./consensus/listen";
import { type Coverage, coverageOf } from "./coverage";
import { encoderOf } from "./encoder";
import { type CellFeatures, type QueryBasis, queryBasis } from "./features";
import { findUnmeasured, without } from "./listed";
import { BLOCK_CELLS, DEFAULTS, type MapOptions } from "./options";
import { checkPanel, rescale } from "./rescale";

const { files } = decisions;

/** A query that has passed the gate and whose genes have been matched. */
export interface Query {
  contents: Contents;
  place: Place;
  genes: GeneMatch;
  /** How much of the atlas these genes are. */
  coverage: Coverage;
  basis: QueryBasis;
  notes: string[];
  options: MapOptions;
  /** Holds what most cells of each group are labelled once all were mapped. */
  votes: GroupVotes | null;
  /** Says what other atlases, and all together, say; null where one is asked alone. */
  consensus: Consensus | null;
}

/** A query of which is known where its counts are. */
export interface Chosen {
  contents: Contents;
  place: Place;
  /** What was repaired or chosen. */
  notes: readonly string[];
}

/** Open a query to be mapped onto an atlas, and beside it onto others. */
export async function openQuery(
  contents: Contents,
  atlas: Atlas,
  options: MapOptions,
  others: readonly Atlas[] = [],
): Promise<Query> {
  const { panel, organism } = atlas.manifest;
  const chosen = await chooseQuery(contents, [panel], options, organism);
  const query = await openChosen(chosen, atlas, options);
  return others.length ? heardTogether(query, chosen, atlas, others) : query;
}

/** The query, once it is known how other atlases are heard together with the first. */
async function heardTogether(
  query: Query,
  chosen: Chosen,
  atlas: Atlas,
  others: readonly Atlas[],
): Promise<Query> {
  const { options } = query;
  const asWell = ofOthers(options);
  // it is listened to as the others are, without genes put on its own scale
  const plain = options.rescaleGenes ? await openChosen(chosen, atlas, asWell) : query;
  const queries = [{ ...plain, atlas }];
  for (const one of others) queries.push({ ...(await openChosen(chosen, one, asWell)), atlas: one });
  const names = numbered([atlas, ...others].map(({ manifest }) => manifest.name));
  const [first, ...companions] = names.map((name, at) => companion(name, queries[at]));
  const { matrix } = chosen.place;
  const check = (block: CountBlock) => checkBlock(block, matrix.where, options.allowFractional);
  const { cells, windows } = decisions.consensus;
  const heard = await listen(spreadRead(matrix, check, cells.value, windows.value), first, companions);
  const together = consensus(first, companions, heard);
  return { ...query, notes: [...query.notes, ...together.notes], consensus: together };
}

/** How counts are read for other atlases: as for the first, and nothing else is asked of them. */
function ofOthers(options: MapOptions): MapOptions {
  const { layer, genome, allowFractional, anyOrganism, orthologs } = options;
  const minimumGenes = leastShare(options);
  return { ...DEFAULTS, layer, genome, allowFractional, anyOrganism, orthologs, minimumGenes };
}

/** Find the counts of a query; of several matrices those with more genes of any of the panels, which are
 * of an organism where genes are read by their orthologs. */
export async function chooseQuery(
  contents: Contents,
  panels: readonly Panel[],
  options: MapOptions,
  organism = "",
): Promise<Chosen> {
  const { title, cells, places } = contents;
  if (!cells.length) throw new InputError(say(files.no_cells, { title }));
  const choice = await chooseCounts(
    title,
    places,
    options.layer,
    options.allowFractional,
    (columns) => Math.max(0, ...panels.map((panel) => covered(columns, panel, organism, options))),
  );
  const { place } = choice;
  const { where } = place.matrix;
  if (!place.matrix.nGenes) throw new InputError(say(files.no_genes, { where }));
  return { contents, place, notes: [...contents.notes, ...choice.notes] };
}

/** Match the genes of a query whose counts were found. */
export async function openChosen(chosen: Chosen, atlas: Atlas, options: MapOptions): Promise<Query> {
  const { contents, place, notes: seen } = chosen;
  const { cells } = contents;
  const { where } = place.matrix;
  const listed = matched(place, cells, atlas.manifest, options, seen);
  const blocks = (blockCells: number) => checked(place, options, blockCells);
  const { profiles } = atlas;
  const { symbols } = atlas.manifest.panel;
  const { matrix } = place;
  const found = profiles ? await findUnmeasured(matrix, blocks, listed, profiles, symbols) : [];
  const genes = without(listed, found, atlas.manifest, leastShare(options), where);
  if (options.rescaleGenes) checkPanel(where, genes, atlas, options.minimumGenes);
  const rescaled = options.rescaleGenes ? await rescale(matrix, blocks, genes, atlas) : null;
  const { cells: looked = 0, scaling = null } = rescaled ?? {};
  if (options.cellOntology) refuseWithoutLabels(atlas.manifest);
  if (options.probabilities) refuseWithoutProbabilities(atlas.manifest);
  const coverage = coverageOf(genes, atlas, where);
  const few = coverage.note === null ? [] : [coverage.note];
  const note = say(decisions.rescaling.note, { source: where, cells: looked });
  return {
    contents,
    place,
    genes,
    basis: queryBasis(atlas.panel, genes.panelColumn, genes.measured, genes.isGene, scaling),
    coverage,
    notes: [
      ...seen,
      ...few,
      ...genes.warnings,
      ...(rescaled ? [note] : []),
      ...(options.cellOntology ? atlas.manifest.term_notes : []),
    ],
    options,
    votes: options.groups === null ? null : votesBy(options.groups, cells, atlas.manifest),
    consensus: null,
  };
}

/** Of a panel that is to be rescaled, what its genes tell decides. */
function leastShare({ rescaleGenes, minimumGenes }: MapOptions): number {
  return rescaleGenes ? 0 : minimumGenes;
}

function votesBy(groups: string, cells: Frame, manifest: Manifest): GroupVotes {
  return new GroupVotes(manifest, statedGroups(cells, manifest, groups), cells.length);
}

function matched(
  place: Place,
  cells: Frame,
  manifest: Manifest,
  options: MapOptions,
  notes: readonly string[],
): GeneMatch {
  const { orthologs } = options;
  if (orthologs !== null) return matchedByOrthologs(place, manifest, orthologs, leastShare(options));
  const { where } = place.matrix;
  const { panel } = manifest;
  const organism = manifest.organism || null;
  const columns = place.genes();
  let found: GeneMatch;
  try {
    found = matchGenes(columns, panel, {
      organism,
      minimum: leastShare(options),
      previous: previousFor(columns, panel, organism),
      anyOrganism: options.anyOrganism,
      source: where,
    });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    refuseTransposed(cells, panel, where);
    throw new InputError([error.message, ...notes].join(" "));
  }
  const usual = decisions.genes.minimum.value * panel.symbols.length;
  if (found.nMatched < usual) refuseTransposed(cells, panel, where);
  return found;
}

/** Symbols of other years, for human genes that lack names of the panel. */
function previousFor(columns: GeneColumns, panel: Panel, organism: string | null): ReadonlyMap<string, string> {
  const human = organismOf(panel, organism) === "human";
  return human && lacksNames(columns, panel) ? previousSymbols() : new Map();
}

/** Match the genes of another species by what their orthologs are called. */
function matchedByOrthologs(place: Place, manifest: Manifest, table: string, minimum: number): GeneMatch {
  const { panel, organism } = manifest;
  const { where: source } = place.matrix;
  const { columns, source: other } = translate(place.genes(), organism, source, table);
  const previous = previousFor(columns, panel, organism);
  const genes = matchGenes(columns, panel, { organism, minimum, previous, source });
  const note = say(decisions.orthologs.note, { source, other, target: organism, genes: genes.nMatched });
  return { ...genes, organism: other, warnings: [note, ...genes.warnings] };
}

/** Refuse a query whose cells are called as the genes of the atlas are. */
function refuseTransposed(cells: Frame, panel: Manifest["panel"], source: string): void {
  const { transposed, cells_looked_at: looked, name_columns: known } = decisions.genes;
  const columns = new Map([["index", cells.index(0, Math.min(cells.length, looked.value))]]);
  for (const name of cells.length <= looked.value ? cells.textColumns : []) {
    if (known.value.includes(name.toLowerCase())) columns.set(name, textOf(cells.column(name)));
  }
  let names: string[];
  try {
    names = columns.get(matchGenes(columns, panel, { organism: null }).column) ?? [];
  } catch (error) {
    if (error instanceof InputError) return;
    throw error;
  }
  const examples = names.slice(0, 3).map((name) => `'${name}'`).join(", ");
  throw new InputError(say(transposed, { source, examples }));
}

function textOf(column: Column): string[] {
  if (column.kind !== "category") return Array.from(column.values, String);
  return Array.from(column.codes, (code) => column.categories[code] ?? "");
}

/** How many panel genes a matrix holds; 0 where they are too few to map by. */
function covered(columns: GeneColumns, panel: Panel, organism: string, { orthologs }: MapOptions): number {
  try {
    const options = { organism: null, anyOrganism: true, source: "" };
    const named = orthologs === null ? columns : translate(columns, organism, "", orthologs).columns;
    return matchGenes(named, panel, options).nMatched;
  } catch (error) {
    if (error instanceof InputError) return 0;
    throw error;
  }
}

/** Blocks of a query, every value checked to be a count. */
export function checkedBlocks(query: Query, blockCells: number): AsyncGenerator<CountBlock> {
  return checked(query.place, query.options, blockCells);
}

async function* checked(
  { matrix }: Place,
  { allowFractional }: MapOptions,
  blockCells: number,
): AsyncGenerator<CountBlock> {
  for await (const block of matrix.blocks(blockCells)) {
    yield checkBlock(block, matrix.where, allowFractional);
  }
}

export async function* mapQuery(
  query: Query,
  atlas: Atlas,
  blockCells = BLOCK_CELLS,
): AsyncGenerator<[MappedBlock, CellFeatures]> {
  const { nMatched, measured } = query.genes;
  const { votes, coverage } = query;
  const { severalLabels, probabilities, cellOntology } = query.options;
  const asked = { severalLabels, probabilities, cellOntology, votes };
  const encode = encoderOf(query, atlas);
  const share = nMatched / measured.length;
  const adding = annotators(atlas, { share, enough: coverage.enough }, asked);
  for await (const block of checkedBlocks(query, blockCells)) {
    const encoded = await encode(block);
    const added = adding.map((annotate) => annotate(encoded));
    const beside = (await query.consensus?.annotate(block, encoded)) ?? [];
    const columns = [...added.flatMap((one) => one.columns), ...beside];
    const matrices = added.flatMap((one) => one.matrices ?? []);
    const mapped = { start: block.start, nCells: block.nCells, columns, matrices };
    votes?.add(mapped, encoded.library);
    yield [mapped, encoded.features];
  }
}
