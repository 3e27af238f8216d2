/** How many of the things told of are expected to be chance. */

/** p-values adjusted for how many there are; NaN stays and counts for none.
 *
 * Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57:289.
 */
export function adjusted(p: readonly number[]): number[] {
  const order = [...p.keys()].filter((at) => Number.isFinite(p[at])).sort((a, b) => p[b] - p[a]);
  const found = p.map(() => NaN);
  let least = 1;
  order.forEach((at, i) => {
    least = Math.min(least, (p[at] * order.length) / (order.length - i));
    found[at] = least;
  });
  return found;
}
