/** What the Python package computed, to be computed again; written by tests/web/page. */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

import { hasReference } from "../src/atlas/manifest";
import { openParts, type Parts } from "../src/atlas/parts";
import { openAtlas } from "../src/mapping/atlas";
import type { MappedBlock, ResultColumn } from "../src/mapping/columns";
import { measuredBasis } from "../src/mapping/explain/counted";
import { LabelGenes } from "../src/mapping/explain/label_genes";
import { countOne } from "../src/mapping/explain/one_cell";
import type { LabelReasons } from "../src/mapping/explain/reasons";
import { Why } from "../src/mapping/explain/why";
import { KeptCounts, shownTarget } from "../src/mapping/kept_counts";
import { NovelCells } from "../src/mapping/novel_cells";
import type { MapOptions } from "../src/mapping/options";
import { mapQuery, openQuery, type Query } from "../src/mapping/query";
import { QuerySpread, type Spread } from "../src/mapping/spread";
import { hdf5 } from "../src/sources/hdf5";
import { openFiles } from "../src/sources/open";

export const FOLDER = process.env.CELLPORT_WEB_VECTORS ?? "";

export function has(name: string): boolean {
  return FOLDER !== "" && existsSync(join(FOLDER, name));
}

export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, name), "utf8")) as T;
}

/** An atlas, with members changed under right hashes, or taken away. */
export async function parts(
  changed: Record<string, Uint8Array | null> = {},
  folder = "atlas",
): Promise<Parts> {
  return openParts(async (name) => {
    const bytes = changed[name] ?? new Uint8Array(readFileSync(join(FOLDER, folder, name)));
    return name === "manifest.json" ? restated(bytes, changed) : bytes;
  });
}

function restated(manifest: Uint8Array, changed: Record<string, Uint8Array | null>): Uint8Array {
  const values = JSON.parse(new TextDecoder().decode(manifest)) as { members: object };
  const hashes = Object.entries(changed).map(([name, bytes]) => [
    name,
    bytes ? { sha256: createHash("sha256").update(bytes).digest("hex") } : undefined,
  ]);
  const members = { ...values.members, ...Object.fromEntries(hashes) };
  return new TextEncoder().encode(JSON.stringify({ ...values, members }));
}

export interface Mapped {
  query: Query;
  blocks: MappedBlock[];
  cells: string[];
  novel: string[];
  spread: Spread | null;
  /** Columns known once all cells were seen. */
  settled: ResultColumn[];
  why: Why;
  /** Why a cell may be of a label. */
  whyCell(cell: number, label: number): Promise<LabelReasons>;
}

export async function mapFiles(
  names: readonly string[],
  options: MapOptions,
  blockCells: number,
  folder = "atlas",
): Promise<Mapped> {
  const { open } = await hdf5();
  const files = names.map((name) => new File([readFileSync(join(FOLDER, name))], basename(name)));
  const contents = await openFiles(
    files,
    () => open(join(FOLDER, names[0])),
    options.genome,
  );
  const given = await parts({}, folder);
  const atlas = await openAtlas(given);
  const query = await openQuery(contents, atlas, options);
  const kept = new KeptCounts(query.genes.measured.length, true);
  const cells = new NovelCells(query.place.matrix.nCells, atlas.manifest);
  const spread = new QuerySpread(atlas.manifest);
  const ofLabels = new LabelGenes(atlas.manifest);
  const basis = measuredBasis(query, atlas.panel);
  const blocks: MappedBlock[] = [];
  for await (const [block, encoded] of mapQuery(query, atlas, blockCells)) {
    blocks.push(block);
    kept.add(encoded, shownTarget(query.basis, atlas.panel));
    cells.add(block);
    spread.add(block);
    ofLabels.add(block, encoded, basis);
  }
  const why = new Why(given, ofLabels);
  const groups = await cells.groups(given, query.genes.measured, kept);
  return {
    query,
    blocks,
    cells: contents.cells.index(0, contents.cells.length),
    novel: groups.map((group) => group.sentence),
    spread: hasReference(atlas.manifest) ? await spread.beside(given) : null,
    settled: query.votes?.columns() ?? [],
    why,
    whyCell: async (cell, label) => why.ofCell(await countOne({ query, start: 0 }, atlas.panel, kept, cell), label),
  };
}
