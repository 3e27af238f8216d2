/** Student's t and the derivatives of the logarithm of the gamma function. */

const ENOUGH = 500;
const TINY = 1e-300;
// from here on the series for large numbers are exact to the last digits
const LARGE = 20;
// Lanczos's approximation with g = 7: Godfrey 2001, to 15 digits
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Chance of a value farther from 0 than `x`, on both sides. */
export function studentP(x: number, freedom: number): number {
  return incompleteBeta(freedom / (freedom + x * x), freedom / 2, 0.5);
}

/** The value that 95 % of all, or another share, lie nearer to 0 than. */
export function studentReach(share: number, freedom: number): number {
  let [low, high] = [0, 1];
  while (studentP(high, freedom) > 1 - share) high *= 2;
  for (let step = 0; step < ENOUGH && high - low > 1e-15 * high; step++) {
    const middle = (low + high) / 2;
    if (studentP(middle, freedom) > 1 - share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The regularised incomplete beta function, by its continued fraction.
 *
 * Press et al. 2007, "Numerical recipes", section 6.4.
 */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  const apart = (one: number) => (Math.abs(one) < TINY ? TINY : one);
  let c = 1;
  let d = 1 / apart(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < ENOUGH; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    const before = fraction;
    for (const term of [even, odd]) {
      d = 1 / apart(1 + term * d);
      c = apart(1 + term / c);
      fraction *= c * d;
    }
    if (fraction === before) break;
  }
  return (front * fraction) / a;
}

function logGamma(x: number): number {
  const shifted = x - 1;
  const [first, ...rest] = LANCZOS;
  const sum = rest.reduce((all, one, i) => all + one / (shifted + i + 1), first);
  const t = shifted + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Abramowitz and Stegun 1964, 6.3.5 and 6.3.18. */
export function digamma(x: number): number {
  if (x < LARGE) return digamma(x + 1) - 1 / x;
  const y = 1 / (x * x);
  return Math.log(x) - 1 / (2 * x) - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))));
}

/** Its derivative: 6.4.6 and 6.4.12. */
export function trigamma(x: number): number {
  if (x < LARGE) return trigamma(x + 1) + 1 / (x * x);
  const y = 1 / (x * x);
  return 1 / x + y / 2 + (y / x) * (1 / 6 - y * (1 / 30 - y * (1 / 42 - y * (1 / 30 - (5 * y) / 66))));
}

/** The derivative of that: 6.4.6 and 6.4.13. */
export function tetragamma(x: number): number {
  if (x < LARGE) return tetragamma(x + 1) - 2 / x ** 3;
  const y = 1 / (x * x);
  return -y - y / x - y * y * (1 / 2 - y * (1 / 6 - y * (1 / 6 - y * (3 / 10 - (5 * y) / 6))));
}
