/** Reads a file in large pieces, and keeps the last ones.
 *
 * HDF5 asks for one chunk after another, of several arrays in turn, and of each the browser asks
 * another process: that took more time than all the rest of a mapping.
 */

const PIECE = 2 << 20;
// of values, of their positions, and of what says where these lie
const KEPT = 8;

export class ReadAhead {
  /** By number, the one that was used last at the end. */
  private readonly pieces = new Map<number, Uint8Array>();

  constructor(
    private readonly file: Blob,
    private readonly readBlob: (piece: Blob) => ArrayBuffer,
    private readonly size = PIECE,
  ) {}

  /** Fill `into` with what lies at a position; how many bytes there were. */
  read(into: Uint8Array, position: number): number {
    const end = Math.min(position + into.length, this.file.size);
    let at = position;
    while (at < end) {
      const number = Math.floor(at / this.size);
      const begin = number * this.size;
      const found = this.piece(number).subarray(at - begin, end - begin);
      if (!found.length) break;
      into.set(found, at - position);
      at += found.length;
    }
    return Math.max(at - position, 0);
  }

  private piece(number: number): Uint8Array {
    const begin = number * this.size;
    const piece =
      this.pieces.get(number) ??
      new Uint8Array(this.readBlob(this.file.slice(begin, begin + this.size)));
    this.pieces.delete(number);
    this.pieces.set(number, piece);
    if (this.pieces.size > KEPT) this.pieces.delete(this.pieces.keys().next().value!);
    return piece;
  }
}
