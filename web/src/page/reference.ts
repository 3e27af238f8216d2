/** The reference as the map shows it. */

import type { Parts } from "../atlas/parts";
import { AtlasError } from "../errors";

export interface Reference {
  n: number;
  places: Float32Array;
  /** Position in the atlas's labels, -1 for none. */
  label: ArrayLike<number> | null;
}

export async function readReference(parts: Parts): Promise<Reference> {
  const [umap, label] = await Promise.all([
    parts.array("reference_umap"),
    parts.arrayIfThere("reference_label"),
  ]);
  const [n, width] = umap.shape;
  if (width !== 2 || (label && label.data.length !== n)) {
    throw new AtlasError("The atlas's 2-D map does not fit its cells; publish it again.");
  }
  return { n, places: Float32Array.from(umap.data), label: label?.data ?? null };
}
