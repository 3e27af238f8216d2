/** Numbers and lists as people read them. */

export function grouped(n: number): string {
  return Math.round(n).toLocaleString("en-GB");
}

/** `1 cell`, `2,000 cells`. */
export function cellsOf(n: number): string {
  return `${grouped(n)} cell${n === 1 ? "" : "s"}`;
}

/** As Python rounds: a half goes to the even number. */
export function toEven(value: number): number {
  const whole = Math.round(value);
  return value - whole === -0.5 && whole % 2 ? whole - 1 : whole;
}

/** As Python's `.0%`. */
export function percent(share: number): string {
  return `${toEven(share * 100)}%`;
}

/** As Python's `:g` of a hundredfold: what somebody wrote as a share, without what floats add. */
export function inPercent(share: number): string {
  return `${Number((100 * share).toPrecision(6))}%`;
}

export function examples(names: readonly string[], n = 3): string {
  return names
    .slice(0, n)
    .map((name) => `'${name}'`)
    .join(", ");
}

/** 3 significant digits, in powers of ten where very small. */
export function short(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
