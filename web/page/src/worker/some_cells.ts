/** The worker's part of ranking: some cells of a file, mapped onto one atlas after another. */

import { type Manifest, readManifest } from "../atlas/manifest";
import { openParts, partsIn } from "../atlas/parts";
import { InputError, sentence } from "../errors";
import { openAtlas } from "../mapping/atlas";
import { type AtlasFit, refusedFit } from "../mapping/atlas_fit";
import type { MapOptions } from "../mapping/options";
import type { Chosen } from "../mapping/query";
import { fitOf, someCells } from "../mapping/rank";
import type { Bundle } from "../mapping/samples";
import { Mounts } from "../sources/mounted";
import { openFiles } from "../sources/open";

/** Read some cells of a file; whatever it was read with is let go. */
export async function readSome(
  { files }: Bundle,
  manifests: readonly Blob[],
  options: MapOptions,
  reading: () => void,
): Promise<Chosen> {
  const mounts = await Mounts.start();
  try {
    reading();
    const contents = await openFiles(files, (file) => mounts.inRanges(file, reading), options.genome);
    return await someCells(contents, await panelsOf(manifests), options);
  } finally {
    mounts.letGo();
  }
}

/** Panels of the atlases that can be read; of others it is said when they are asked. */
async function panelsOf(manifests: readonly Blob[]): Promise<Manifest["panel"][]> {
  const texts = await Promise.all(manifests.map((one) => one.text()));
  return texts.flatMap((text) => {
    try {
      return [readManifest(text).panel];
    } catch {
      return [];
    }
  });
}

/** How the cells fit an atlas, which is open no longer than that takes. */
export async function fitFrom(
  atlas: string,
  wasm: Blob,
  blobs: ReadonlyMap<string, Blob>,
  cells: Chosen | null,
  options: MapOptions,
): Promise<AtlasFit> {
  if (!cells) throw new InputError("No file is open; choose one first.");
  try {
    const opened = await openAtlas(await openParts(partsIn(blobs)), await wasm.arrayBuffer());
    try {
      return await fitOf(atlas, cells, opened, options);
    } finally {
      await opened.tail.close();
    }
  } catch (error) {
    return refusedFit(atlas, sentence(error));
  }
}
