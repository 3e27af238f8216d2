/** The cell nearest to a place: of a grid, so that a million cells are found as fast as ten. */

// cells in a square of the grid, on average
const IN_A_SQUARE = 4;

export class Nearest {
  private readonly left: number;
  private readonly low: number;
  private readonly step: number;
  private readonly across: number;
  private readonly up: number;
  /** Squares' first positions in `cells`, one more at the end. */
  private readonly first: Uint32Array;
  private readonly cells: Uint32Array;

  constructor(
    private readonly places: Float32Array,
    n: number,
  ) {
    let [left, low, right, high] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let cell = 0; cell < n; cell++) {
      left = Math.min(left, places[2 * cell]);
      right = Math.max(right, places[2 * cell]);
      low = Math.min(low, places[2 * cell + 1]);
      high = Math.max(high, places[2 * cell + 1]);
    }
    const [width, height] = n ? [right - left, high - low] : [0, 0];
    const squares = Math.max(1, n / IN_A_SQUARE);
    // of places on a line the grid is a line too
    const side = Math.max(Math.sqrt((width * height) / squares), Math.max(width, height) / squares);
    [this.left, this.low] = n ? [left, low] : [0, 0];
    this.step = side || 1;
    this.across = Math.floor(width / this.step) + 1;
    this.up = Math.floor(height / this.step) + 1;
    this.first = new Uint32Array(this.across * this.up + 1);
    this.cells = new Uint32Array(n);
    for (let cell = 0; cell < n; cell++) this.first[this.squareOf(cell) + 1]++;
    for (let at = 1; at < this.first.length; at++) this.first[at] += this.first[at - 1];
    const next = this.first.slice();
    for (let cell = 0; cell < n; cell++) this.cells[next[this.squareOf(cell)]++] = cell;
  }

  /** The nearest cell within a reach, -1 where there is none. */
  find(x: number, y: number, reach: number): number {
    let best = -1;
    let least = reach * reach;
    const column = (at: number) => Math.floor((at - this.left) / this.step);
    const row = (at: number) => Math.floor((at - this.low) / this.step);
    const lastColumn = Math.min(column(x + reach), this.across - 1);
    const lastRow = Math.min(row(y + reach), this.up - 1);
    for (let j = Math.max(row(y - reach), 0); j <= lastRow; j++) {
      for (let i = Math.max(column(x - reach), 0); i <= lastColumn; i++) {
        const square = j * this.across + i;
        for (let at = this.first[square]; at < this.first[square + 1]; at++) {
          const cell = this.cells[at];
          const apart = (this.places[2 * cell] - x) ** 2 + (this.places[2 * cell + 1] - y) ** 2;
          if (apart < least) [best, least] = [cell, apart];
        }
      }
    }
    return best;
  }

  private squareOf(cell: number): number {
    const i = Math.floor((this.places[2 * cell] - this.left) / this.step);
    const j = Math.floor((this.places[2 * cell + 1] - this.low) / this.step);
    return Math.min(j, this.up - 1) * this.across + Math.min(i, this.across - 1);
  }
}
