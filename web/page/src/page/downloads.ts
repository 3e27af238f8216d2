/** What is saved: tables, the results for scanpy, pictures of the map. */

import decisions from "../decisions";
import type { Mapper } from "../worker/client";
import type { Finished } from "../worker/messages";
import { csvParts } from "../writers/csv";
import { save } from "./dom";
import type { FileResults } from "./file_results";
import { pngOf, svgOf } from "./map/picture";
import type { Stage } from "./map/stage";

/** The table of all cells, or of some. */
export async function saveTable(results: FileResults, cells: Int32Array | null): Promise<void> {
  const parts: string[] = [];
  for (const part of csvParts(results, cells)) {
    parts.push(part);
    // a million cells take a while, in which the page should go on
    await new Promise((next) => setTimeout(next));
  }
  save(`${results.title}_${cells ? "selected_cells" : "mapped"}.csv`, parts, "text/csv");
}

export async function saveH5ad(mapper: Mapper, finished: Finished, results: FileResults): Promise<void> {
  const { names, title } = results;
  const columns = [...results.columns.values()];
  const matrices = [...results.matrices.values()];
  const bytes = await mapper.h5ad(finished, { names, columns, matrices });
  save(`${title}_mapped.h5ad`, [bytes], "application/x-hdf5");
}

/** The report that `cellport map --report` writes. */
export async function saveReport(mapper: Mapper, finished: Finished, results: FileResults): Promise<void> {
  const shown = new Set<string>([decisions.columns.umap, decisions.columns.fate]);
  const matrices = [...results.matrices.values()].filter(({ name }) => shown.has(name));
  const columns = [...results.columns.values()];
  const names = [...results.columns.keys(), ...results.matrices.keys()];
  const page = await mapper.report(finished, { columns, matrices, names });
  save(`${results.title}_report.html`, [page], "text/html");
}

export async function savePng(stage: Stage, title: string): Promise<void> {
  save(`${fileName(title)}.png`, [await pngOf(stage.picture(title))], "image/png");
}

export async function saveSvg(stage: Stage, title: string): Promise<void> {
  save(`${fileName(title)}.svg`, [svgOf(stage.picture(title))], "image/svg+xml");
}

function fileName(title: string): string {
  return `${title.replace(/[^\p{L}\p{N}._-]+/gu, "_")}_map`;
}
