/** Does this computer compute the answers that the atlas was published with? */

import { AtlasError } from "../errors";
import { encode, prepare } from "../mapping/first_layer";
import { withoutZeros } from "../sources/source";
import type { Atlas } from "./atlas";
import type { Parts } from "./parts";

export interface Verification {
  cells: number;
  answers: string[];
  /** Largest difference, relative where values exceed 1. */
  difference: number;
}

const TOLERANCE = 1e-3;

/** Map the atlas's canary cells and compare every answer with the stored one. */
export async function verifyAtlas(atlas: Atlas, parts: Parts): Promise<Verification> {
  const counts = await parts.array("canary_counts");
  const nGenes = atlas.manifest.symbols.length;
  if (counts.shape.length !== 2 || counts.shape[1] !== nGenes) {
    throw new AtlasError("The atlas's canary cells do not fit its genes; publish it again.");
  }
  const everything = new Uint8Array(nGenes).fill(1);
  const column = Int32Array.from(everything, (_, gene) => gene);
  const layer = prepare(atlas.layer, column, everything, atlas.manifest.targetSum);
  const block = withoutZeros(Float32Array.from(counts.data), nGenes, 0);
  const found = await atlas.tail.run(encode(layer, block).hidden);
  let difference = 0;
  const answers = [...found.keys()].filter((name) => parts.has(`arrays/canary_${name}.npy`));
  for (const name of answers) {
    const expected = (await parts.array(`canary_${name}`)).data;
    const { data } = found.get(name)!;
    if (data.length !== expected.length) difference = Infinity;
    data.forEach((value, i) => {
      const apart = Math.abs(value - expected[i]) / Math.max(1, Math.abs(expected[i]));
      // a value that is no number must not pass
      if (!(apart <= difference)) difference = Number.isNaN(apart) ? Infinity : apart;
    });
  }
  if (!answers.length || difference > TOLERANCE) {
    throw new AtlasError(
      "This browser does not compute the answers that the atlas was published with " +
        `(they differ by ${difference.toPrecision(2)}). Use another browser, or cellport itself.`,
    );
  }
  return { cells: block.nCells, answers, difference };
}
