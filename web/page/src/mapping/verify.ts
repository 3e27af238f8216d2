/** Does this computer compute the answers that the atlas was published with? */

import type { NpyArray } from "../atlas/npy";
import type { Parts } from "../atlas/parts";
import { AtlasError } from "../errors";
import { representatives } from "../genes/match";
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

/** Counts of the canary cells, and the rest of their library: [cells, genes + 1]. */
async function withRest({ data, shape }: NpyArray, parts: Parts): Promise<Float32Array> {
  const [nCells, nGenes] = shape;
  const own = representatives(parts.manifest.panel);
  const name = "canary_library";
  const library = parts.hasArray(name) ? (await parts.array(name)).data : null;
  const whole = new Float32Array(nCells * (nGenes + 1));
  for (let cell = 0; cell < nCells; cell++) {
    // a query has a gene once, however often the panel has it
    const counts = data
      .slice(cell * nGenes, (cell + 1) * nGenes)
      .map((count, gene) => (own[gene] === gene ? count : 0));
    whole.set(counts, cell * (nGenes + 1));
    if (!library) continue;
    let sum = 0;
    for (const count of counts) sum += count;
    whole[cell * (nGenes + 1) + nGenes] = library[cell] - sum;
  }
  return whole;
}

/** Map the atlas's canary cells and compare every answer with the stored one. */
export async function verifyAtlas(atlas: Atlas, parts: Parts): Promise<Verification> {
  const counts = await parts.array("canary_counts");
  const nGenes = counts.shape[1];
  const measured = new Uint8Array(nGenes).fill(1);
  // one gene more holds what a library over all genes has beside those of the panel
  const column = Int32Array.from([...representatives(atlas.manifest.panel), -1]);
  const counted = new Uint8Array(nGenes + 1).fill(1);
  const block = withoutZeros(await withRest(counts, parts), nGenes + 1, 0);
  const encoded = linearFeatures(queryBasis(atlas.panel, column, measured, counted), block);
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
