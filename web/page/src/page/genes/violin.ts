/** How the values of a gene are spread, as an outline to draw. */

const STEPS = 48;

/** Share of the values near each step from 0 to `most`, the densest 1 (a Gaussian kernel). */
export function density(values: Float32Array, most: number): Float64Array {
  const found = new Float64Array(STEPS + 1);
  if (!values.length || !(most > 0)) return found;
  // counted first: a type may have a million cells
  const counts = new Float64Array(STEPS + 1);
  for (const value of values) counts[Math.round((Math.min(Math.max(value, 0), most) / most) * STEPS)]++;
  const width = bandwidth(values, most);
  for (let at = 0; at <= STEPS; at++) {
    for (let from = 0; from <= STEPS; from++) {
      if (counts[from]) found[at] += counts[from] * Math.exp(-0.5 * ((at - from) / width) ** 2);
    }
  }
  const peak = Math.max(...found);
  return found.map((value) => value / peak);
}

/** Scott's rule, in steps, and never narrower than one. */
function bandwidth(values: Float32Array, most: number): number {
  let [sum, square] = [0, 0];
  for (const value of values) {
    sum += value;
    square += value * value;
  }
  const mean = sum / values.length;
  const sd = Math.sqrt(Math.max(0, square / values.length - mean * mean));
  return Math.max(1, (1.06 * sd * values.length ** -0.2 * STEPS) / most);
}

/** The outline on its side: x along the values, y to both sides. */
export function outline(shares: Float64Array, width: number, height: number): string {
  const at = (i: number, side: number) =>
    `${((i / (shares.length - 1)) * width).toFixed(1)} ${(height / 2 - (side * shares[i] * height) / 2).toFixed(1)}`;
  const steps = [...shares.keys()];
  const there = steps.map((i) => at(i, 1));
  const back = steps.reverse().map((i) => at(i, -1));
  return `M${[...there, ...back].join("L")}z`;
}
