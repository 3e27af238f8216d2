/** Some cells of a matrix, spread evenly over it.
 *
 * Same cells as `runtime/sources/spread.py` of the Python package.
 */

import type { CountBlock, Matrix } from "./source";

const BLOCK = 2048;

export type Blocks = (blockCells: number) => AsyncGenerator<CountBlock>;

/** The cells of evenly spread windows, `most` in all; all where they are few. */
export async function* spreadCells(
  blocks: Blocks,
  nCells: number,
  most: number,
  windows: number,
): AsyncGenerator<CountBlock> {
  const wanted = spreadWindows(nCells, most, windows);
  for await (const block of blocks(BLOCK)) {
    for (const [start, stop] of wanted) {
      const [first, last] = [start - block.start, stop - block.start];
      if (last > 0 && first < block.nCells) {
        yield rows(block, Math.max(first, 0), Math.min(last, block.nCells));
      }
    }
  }
}

/** The same, of a matrix that may be read from the middle; `check` sees whatever is read. */
export async function* spreadRead(
  matrix: Matrix,
  check: (block: CountBlock) => CountBlock,
  most: number,
  windows: number,
): AsyncGenerator<CountBlock> {
  if (!matrix.between) {
    async function* checked(blockCells: number) {
      for await (const block of matrix.blocks(blockCells)) yield check(block);
    }
    return yield* spreadCells(checked, matrix.nCells, most, windows);
  }
  for (const [start, stop] of spreadWindows(matrix.nCells, most, windows)) {
    for (const block of matrix.between(start, stop)) yield check(block);
  }
}

/** Begin and end of each window. */
function spreadWindows(nCells: number, most: number, windows: number): [number, number][] {
  if (nCells <= most) return [[0, nCells]];
  const size = Math.floor(most / windows);
  return Array.from({ length: windows }, (_, window) => {
    const start = Math.floor(((nCells - size) * window) / (windows - 1));
    return [start, start + size];
  });
}

function rows(block: CountBlock, first: number, last: number): CountBlock {
  const [start, stop] = [block.indptr[first], block.indptr[last]];
  return {
    ...block,
    start: block.start + first,
    nCells: last - first,
    indptr: block.indptr.slice(first, last + 1).map((at) => at - start),
    indices: block.indices.slice(start, stop),
    data: block.data.slice(start, stop),
  };
}
