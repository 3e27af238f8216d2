/** Numbers and lists as people read them. */

export function grouped(n: number): string {
  return Math.round(n).toLocaleString("en-GB");
}

/** `1 cell`, `2,000 cells`. */
export function cellsOf(n: number): string {
  return `${grouped(n)} cell${n === 1 ? "" : "s"}`;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

export function examples(names: readonly string[], n = 3): string {
  return names
    .slice(0, n)
    .map((name) => `'${name}'`)
    .join(", ");
}

export function cellRange(where: string, start: number, stop: number): string {
  return `${where}, cells ${start} to ${Math.max(start, stop - 1)}`;
}

/** 3 significant digits, in powers of ten where very small. */
export function short(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
