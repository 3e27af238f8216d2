/** A query, block by block, to results. */

import type { Atlas } from "../atlas/atlas";
import { InputError } from "../errors";
import type { Contents, CountBlock, Place } from "../sources/source";
import type { MappedBlock } from "./columns";
import { encode, type FirstLayer, type Hidden, prepare } from "./first_layer";
import { checkBlock, chooseCounts } from "./gate";
import { type GeneMatch, matchGenes } from "./genes";
import { Transfer } from "./transfer";

export const BLOCK_CELLS = 2048;

export interface MapOptions {
  layer: string | null;
  allowFractional: boolean;
  anyOrganism: boolean;
}

export const DEFAULTS: MapOptions = { layer: null, allowFractional: false, anyOrganism: false };

/** A query that has passed the gate and whose genes have been matched. */
export interface Query {
  contents: Contents;
  place: Place;
  genes: GeneMatch;
  first: FirstLayer;
  notes: string[];
  options: MapOptions;
}

export async function openQuery(
  contents: Contents,
  atlas: Atlas,
  options: MapOptions,
): Promise<Query> {
  if (!contents.cells.length) throw new InputError(`${contents.title} has no cells.`);
  const choice = await chooseCounts(
    contents.title,
    contents.places,
    options.layer,
    options.allowFractional,
  );
  const { place } = choice;
  if (!place.matrix.nGenes) throw new InputError(`${place.matrix.where} has no genes.`);
  const { manifest } = atlas;
  const genes = matchGenes(place.genes(), manifest, {
    organism: manifest.organism || null,
    warnBelow: manifest.thresholds.low_gene_coverage,
    anyOrganism: options.anyOrganism,
    source: place.matrix.where,
  });
  return {
    contents,
    place,
    genes,
    first: prepare(atlas.layer, genes.panelColumn, genes.measured, manifest.targetSum),
    notes: [...contents.notes, ...choice.notes, ...genes.warnings],
    options,
  };
}

/** Blocks of a query, every value checked to be a count. */
export async function* checkedBlocks(query: Query, blockCells: number): AsyncGenerator<CountBlock> {
  const { matrix } = query.place;
  for await (const block of matrix.blocks(blockCells)) {
    checkBlock(block, matrix.where, query.options.allowFractional);
    yield block;
  }
}

export async function* mapQuery(
  query: Query,
  atlas: Atlas,
  blockCells = BLOCK_CELLS,
): AsyncGenerator<[MappedBlock, Hidden]> {
  const { genes } = query;
  const share = genes.nMatched / genes.measured.length;
  const transfer = new Transfer(atlas.manifest, atlas.novelty, share);
  for await (const block of checkedBlocks(query, blockCells)) {
    const encoded = encode(query.first, block);
    const answers = await atlas.tail.run(encoded.hidden);
    yield [transfer.block(block.start, encoded.library, answers), encoded];
  }
}
