/** How a query fits an atlas, by some of its cells.
 *
 * Same as `runtime/rank.py` of the Python package.
 */

import decisions from "../decisions";
import { InputError } from "../errors";
import type { Panel } from "../genes/match";
import { checkBlock } from "../sources/gate";
import type { Contents, CountBlock, Matrix } from "../sources/source";
import { spreadRead } from "../sources/spread_cells";
import { barcodeFrame } from "../sources/tenx";
import type { Atlas } from "./atlas";
import { type AtlasFit, refusedFit } from "./atlas_fit";
import type { MappedBlock, ResultColumn } from "./columns";
import type { MapOptions } from "./options";
import { type Chosen, chooseQuery, mapQuery, openChosen } from "./query";

const { columns: names, rank: rules, values } = decisions;

/** Read some cells of a query, evenly spread, to be mapped onto each atlas; the query is closed. */
export async function someCells(
  contents: Contents,
  panels: readonly Panel[],
  options: MapOptions,
): Promise<Chosen> {
  try {
    const { place, notes } = await chooseQuery(contents, panels, options);
    const { matrix } = place;
    const { where, nGenes } = matrix;
    const check = (block: CountBlock) => checkBlock(block, where, options.allowFractional);
    const blocks: CountBlock[] = [];
    for await (const block of spreadRead(matrix, check, rules.cells.value, rules.windows.value)) blocks.push(block);
    const index = blocks.flatMap(({ start, nCells }) => contents.cells.index(start, start + nCells));
    const kept = new KeptMatrix(where, nGenes, blocks);
    const cells = barcodeFrame(where, index.length, (start, stop) => index.slice(start, stop));
    const genes = place.genes();
    const inMemory = { name: place.name, matrix: kept, genes: () => genes };
    const closed = { ...contents, places: new Map([["X", () => inMemory]]), cells, close: () => undefined };
    return { contents: closed, place: inMemory, notes };
  } finally {
    contents.close();
  }
}

/** Blocks that were read, as a matrix of their cells alone. */
class KeptMatrix implements Matrix {
  readonly nCells: number;
  private readonly kept: readonly CountBlock[];

  constructor(
    readonly where: string,
    readonly nGenes: number,
    blocks: readonly CountBlock[],
  ) {
    let start = 0;
    this.kept = blocks.map((block) => {
      const placed = { ...block, start };
      start += block.nCells;
      return placed;
    });
    this.nCells = start;
  }

  *blocks(): Generator<CountBlock> {
    // whoever maps them may write into what it is given
    for (const block of this.kept) yield { ...block, indptr: block.indptr.slice(), data: block.data.slice() };
  }

  sample(): never {
    throw new Error("where the counts are was decided before");
  }
}

/** Map the cells onto an atlas, and say how they fit. */
export async function fitOf(name: string, cells: Chosen, atlas: Atlas, options: MapOptions): Promise<AtlasFit> {
  const { manifest } = atlas;
  try {
    const query = await openChosen(cells, atlas, options);
    const { nMatched, measured } = query.genes;
    const sums = new Sums();
    for await (const [block] of mapQuery(query, atlas)) sums.add(block);
    const fit = { ...refusedFit(name, "", manifest), genes: nMatched / measured.length };
    return { ...fit, ...sums.judged() };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return refusedFit(name, error.message, manifest);
  }
}

/** What is counted of cells that have counts. */
class Sums {
  private some = 0;
  private known = 0;
  private prob = 0;
  private called = 0;
  private readonly ofLabel = new Map<number, number>();
  private readonly told = new Set<string>();

  add({ nCells, columns }: MappedBlock): void {
    const by = new Map(columns.map((column): [string, ResultColumn] => [column.name, column]));
    for (const name of by.keys()) this.told.add(name);
    const quality = by.get(names.quality)!.values;
    const novel = by.get(names.novel)?.values;
    const prob = by.get(names.prob)?.values;
    const call = by.get(names.call);
    const label = by.get(names.label)?.values;
    const unknown = call?.kind === "category" ? call.categories.length - 1 : 0;
    const empty = values.qualities.indexOf("empty");
    for (let cell = 0; cell < nCells; cell++) {
      if (quality[cell] === empty) continue;
      this.some++;
      if (label) this.ofLabel.set(label[cell], (this.ofLabel.get(label[cell]) ?? 0) + 1);
      if (call && call.values[cell] < unknown) this.called++;
      if (novel?.[cell]) continue;
      this.known++;
      if (prob) this.prob += prob[cell];
    }
  }

  judged(): Pick<AtlasFit, "like" | "right" | "called" | "types" | "score"> {
    const { some, known, told } = this;
    const like = told.has(names.novel) ? known / Math.max(some, 1) : null;
    const right = told.has(names.prob) ? this.prob / Math.max(known, 1) : null;
    const called = told.has(names.call) ? this.called / Math.max(some, 1) : null;
    const common = rules.common.value * some;
    const types = [...this.ofLabel.values()].filter((cells) => cells > common).length;
    return { like, right, called, types, score: (like ?? rules.untold.value) * (right ?? 1) };
  }
}
