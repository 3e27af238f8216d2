/** Where a function is looked at for its mean, as `numpy.polynomial.legendre.leggauss` has it. */

const ENOUGH = 100;

/** Places between 0 and 1, and how much each counts. */
export function gaussLegendre(n: number): { place: number; weight: number }[] {
  return Array.from({ length: n }, (_, i) => {
    // Abramowitz and Stegun 1964, 22.16.6: close to the root, which Newton's steps then find
    let x = -Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    for (let step = 0; step < ENOUGH; step++) {
      const [value, slope] = legendre(n, x);
      const next = x - value / slope;
      if (next === x) break;
      x = next;
    }
    const [, slope] = legendre(n, x);
    return { place: (x + 1) / 2, weight: 1 / ((1 - x * x) * slope * slope) };
  });
}

/** The Legendre polynomial of degree `n`, and its slope. */
function legendre(n: number, x: number): [number, number] {
  let [before, now] = [1, x];
  for (let k = 2; k <= n; k++) [before, now] = [now, ((2 * k - 1) * x * now - (k - 1) * before) / k];
  return [now, (n * (x * now - before)) / (x * x - 1)];
}
