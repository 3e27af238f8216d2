/** Does this computer compute the answers that the atlas was published with? */

import type { Parts } from "../atlas/parts";
import { AtlasError } from "../errors";
import { withoutZeros } from "../sources/source";
import type { Atlas } from "./atlas";
import { linearFeatures, queryBasis } from "./features";

export interface Verification {
  cells: number;
  answers: string[];
  /** Largest difference, relative where values exceed 1. */
  difference: number;
}

// the graph in another build of onnxruntime, on features whose sums ran in another order
const TOLERANCE = 1e-3;

/** Map the atlas's canary cells and compare every answer with the stored one. */
export async function verifyAtlas(atlas: Atlas, parts: Parts): Promise<Verification> {
  const counts = await parts.array("canary_counts");
  const nGenes = counts.shape[1];
  const everything = new Uint8Array(nGenes).fill(1);
  const column = Int32Array.from(everything, (_, gene) => gene);
  const block = withoutZeros(Float32Array.from(counts.data), nGenes, 0);
  const encoded = linearFeatures(queryBasis(atlas.panel, column, everything), block);
  const found = await atlas.tail.run(encoded.features);
  let difference = 0;
  const { answers } = atlas.manifest;
  for (const name of answers) {
    const expected = (await parts.array(`canary_${name}`)).data;
    const { data } = found.get(name) ?? { data: [] };
    if (data.length !== expected.length) difference = Infinity;
    data.forEach((value, i) => {
      const apart = Math.abs(value - expected[i]) / Math.max(1, Math.abs(expected[i]));
      // a value that is no number must not pass
      if (!(apart <= difference)) difference = Number.isNaN(apart) ? Infinity : apart;
    });
  }
  if (difference > TOLERANCE) {
    throw new AtlasError(
      "This browser does not compute the answers that the atlas was published with " +
        `(they differ by ${difference.toPrecision(2)}). Use another browser, or cellport itself.`,
    );
  }
  return { cells: block.nCells, answers, difference };
}
