/** Compiles against the declarations that the package ships. */

import {
  type Atlas,
  type Block,
  type Mapping,
  mapBlocks,
  mapCounts,
  mapFile,
  openAtlas,
  type Options,
  startWorker,
  texts,
} from "@cellport/runtime";

export async function uses(file: File, options: Options): Promise<string[]> {
  const atlas: Atlas = await openAtlas(new URL("https://example.org/lung.cellport"));
  const mapping: Mapping = await mapFile(atlas, file, { ...options, groups: "auto" });
  const column = mapping.columns.get("cellport_prob");
  const prob: Float32Array | null = column?.kind === "float" ? column.values : null;
  await mapCounts(atlas, { indptr: [0, 1], indices: [0], data: new Float32Array([prob?.[0] ?? 1]), genes: ["CD3E"] });
  for await (const block of mapBlocks(atlas, [file])) ((one: Block) => one.start)(block);
  const worker = await startWorker();
  // @ts-expect-error there is no such option
  await worker.mapFile(atlas, file, { layr: "counts" });
  return texts(mapping, "cellport_label");
}
