/** A sample of cells that depends on their positions alone.
 *
 * Same choice as `runtime/base/bottom_k.py` of the Python package.
 */

/** The `most` cells whose positions have the smallest hashes, in the order of these. */
export function bottomK(cells: readonly number[], most: number): Int32Array {
  const hashes = Float64Array.from(cells, spreadOut);
  const last = cells.length > most ? hashes.slice().sort()[most - 1] : Infinity;
  const chosen: number[] = [];
  hashes.forEach((hash, i) => hash <= last && chosen.push(i));
  chosen.sort((a, b) => hashes[a] - hashes[b]);
  return Int32Array.from(chosen, (i) => cells[i]);
}

/** The same, of cells that come one by one, with a value of each. */
export class BottomK<Value> {
  private found: { hash: number; value: Value }[] = [];
  private limit = Infinity;

  constructor(private readonly most: number) {}

  /** Take in what is made of a cell, where it may be kept. */
  add(position: number, make: () => Value): void {
    const hash = spreadOut(position);
    if (hash >= this.limit) return;
    this.found.push({ hash, value: make() });
    if (this.found.length >= 2 * this.most) this.settle();
  }

  /** Values of the cells kept, in the order of their hashes. */
  get values(): Value[] {
    this.settle();
    return this.found.map(({ value }) => value);
  }

  private settle(): void {
    this.found.sort((a, b) => a.hash - b.hash);
    this.found.splice(this.most);
    if (this.found.length === this.most) this.limit = this.found[this.most - 1].hash;
  }
}

/** The first 53 bits of SplitMix64's finaliser: as good as all 64 to tell cells apart. */
function spreadOut(position: number): number {
  let x = BigInt.asUintN(64, BigInt(position) * 0x9e3779b97f4a7c15n);
  x = BigInt.asUintN(64, (x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
  x = BigInt.asUintN(64, (x ^ (x >> 27n)) * 0x94d049bb133111ebn);
  return Number((x ^ (x >> 31n)) >> 11n);
}
