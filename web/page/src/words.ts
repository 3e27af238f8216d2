/** Numbers and lists as people read them. */

export function grouped(n: number): string {
  return Math.round(n).toLocaleString("en-GB");
}

/** `1 cell`, `2,000 cells`. */
export function cellsOf(n: number): string {
  return `${grouped(n)} cell${n === 1 ? "" : "s"}`;
}

/** As Python's `.0%`: a half goes to the even number. */
export function percent(share: number): string {
  const whole = Math.round(share * 100);
  return `${share * 100 - whole === -0.5 && whole % 2 ? whole - 1 : whole}%`;
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
