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

/** As Python's `.2f`. */
export function toDigits(value: number): string {
  // eighths are the halves of hundredths that a float holds exactly
  return (Number.isInteger(8 * value) ? toEven(100 * value) / 100 : value).toFixed(2);
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

/** A number with its noun: `1 type`, `2,000 types`. */
export function counted(n: number, noun: string): string {
  return `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** A share as the report writes it, never rounded to none or all when it is neither. */
export function shareOf(part: number, whole: number): string {
  const share = whole > 0 ? (100 * part) / whole : 0;
  if (share > 0 && share < 0.1) return "under 0.1\u00a0%";
  if (share > 99.9 && share < 100) return "over 99.9\u00a0%";
  const fine = (share > 0 && share < 2) || (share > 98 && share < 100);
  return `${fine ? toOneDigit(share) : toEven(share)}\u00a0%`;
}

/** As Python's `round(value, 1)`: halves that a float holds exactly go to the even digit. */
function toOneDigit(value: number): number {
  return Number.isInteger(4 * value) ? toEven(10 * value) / 10 : Number(value.toFixed(1));
}

/** Text with an ellipsis for what is too long of it. */
export function cut(text: string, longest = 90): string {
  const letters = [...text];
  return letters.length <= longest ? text : `${letters.slice(0, longest - 1).join("")}…`;
}

/** As Python's `:g`: six digits at most, none that say nothing. */
export function general(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
    return value
      .toExponential(5)
      .replace(/\.?0+e/, "e")
      .replace(/e([+-])(\d)$/, "e$10$2");
  }
  return String(Number(value.toPrecision(6)));
}

/** The most cells that this page was measured with: docs/page.md says what they took. */
export const MEASURED_CELLS = 1_000_000;

/** What whoever brings more cells should know before they are mapped; nothing of fewer. */
export function beyondMeasured(cells: number): string {
  if (cells <= MEASURED_CELLS) return "";
  return (
    `More than the ${grouped(MEASURED_CELLS)} cells that this page was measured with: it may run ` +
    "out of memory, which cellport map on your computer does not."
  );
}

/** Order of names by the codes of their letters, whatever the language of the browser. */
export function byName(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
