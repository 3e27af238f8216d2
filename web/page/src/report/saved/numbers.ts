/** Positions of numbers of cells, most first, without those of none. */
export function mostFirst(cells: readonly number[]): number[] {
  return [...cells.keys()].filter((at) => cells[at]).sort((a, b) => cells[b] - cells[a]);
}
