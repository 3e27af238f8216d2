/** Numbers drawn as numpy draws them, so that the page starts where Python does. */

const WORD = (1n << 64n) - 1n;
const WHOLE = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/**
 * What `numpy.random.default_rng(0).random()` gives, one after another.
 *
 * PCG-XSL-RR of 128 bits (O'Neill 2014, "PCG: A family of simple fast space-efficient statistically
 * good algorithms for random number generation"), from the state that numpy makes of the seed 0:
 * numpy.random.PCG64(0).state.
 */
export function* drawn(): Generator<number, never> {
  let state = 35399562948360463058890781895381311971n;
  const increment = 87136372517582989555478159403783844777n;
  for (;;) {
    state = (state * MULTIPLIER + increment) & WHOLE;
    const mixed = (state >> 64n) ^ (state & WORD);
    const turn = state >> 122n;
    const word = ((mixed >> turn) | (mixed << (64n - turn))) & WORD;
    yield Number(word >> 11n) * 2 ** -53;
  }
}

/**
 * Positions `0:n` in the order of their hashes, which has no pattern.
 *
 * The finaliser of SplitMix64 (Steele, Lea and Flood 2014), as `runtime/base/bottom_k.py` takes it.
 */
export function shuffled(n: number): Int32Array {
  const hash = BigUint64Array.from({ length: n }, (_, position) => {
    let x = (BigInt(position) * 0x9e3779b97f4a7c15n) & WORD;
    x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & WORD;
    x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & WORD;
    return x ^ (x >> 31n);
  });
  return Int32Array.from({ length: n }, (_, position) => position).sort((a, b) =>
    hash[a] < hash[b] ? -1 : 1,
  );
}
