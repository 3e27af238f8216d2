/** How much each gene is there in some cells and in others. */

/** Which cells are compared: neither, of the first kind, of the second. */
export const [NEITHER, FIRST, SECOND] = [0, 1, 2];

export interface Compared {
  /** Cells of the first and of the second kind. */
  cells: [number, number];
  /** [panel], means of log-normalised values in each. */
  mean: [Float64Array, Float64Array];
  /** [panel], shares of the cells that have it. */
  having: [Float64Array, Float64Array];
}

export class Comparison {
  private readonly sums: [Float64Array, Float64Array];
  private readonly counts: [Float64Array, Float64Array];

  /** `kinds` says of each cell of a query what it is. */
  constructor(
    private readonly kinds: Uint8Array,
    nGenes: number,
  ) {
    this.sums = [new Float64Array(nGenes), new Float64Array(nGenes)];
    this.counts = [new Float64Array(nGenes), new Float64Array(nGenes)];
  }

  add(cell: number, gene: number, value: number): void {
    const kind = this.kinds[cell];
    if (kind === NEITHER) return;
    this.sums[kind - 1][gene] += value;
    if (value > 0) this.counts[kind - 1][gene]++;
  }

  get found(): Compared {
    const cells = [0, 0];
    for (const kind of this.kinds) if (kind !== NEITHER) cells[kind - 1]++;
    const [first, second] = cells;
    const each = ([one, other]: [Float64Array, Float64Array]): [Float64Array, Float64Array] => [
      one.map((sum) => sum / Math.max(first, 1)),
      other.map((sum) => sum / Math.max(second, 1)),
    ];
    return { cells: [first, second], mean: each(this.sums), having: each(this.counts) };
  }
}

/** What each cell is: of the first where it is of both. */
export function kindsOf(nCells: number, first: Int32Array, second: Int32Array | null): Uint8Array {
  const kinds = new Uint8Array(nCells).fill(second ? NEITHER : SECOND);
  second?.forEach((cell) => (kinds[cell] = SECOND));
  first.forEach((cell) => (kinds[cell] = FIRST));
  return kinds;
}
