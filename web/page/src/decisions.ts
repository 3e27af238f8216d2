/** Decisions that every runtime takes: rules, thresholds, sentences.
 *
 * The Python package reads the same file; a number or a pattern stands there with its reason.
 */

import decisions from "../../../runtime/decisions.json";
import { grouped, percent, toDigits } from "./words";

export default decisions;

export type Places = Record<string, string | number>;

/** A sentence with its places filled: `{n}`, `{n:,}` with digits grouped, `{n:.0%}` as a share, `{n:.2f}` and `{n:.3f}` with two and three digits. */
export function say(sentence: string, places: Places = {}): string {
  return sentence.replace(/\{(\w+)(?::([^}]+))?\}/g, (_, name: string, format?: string) => {
    const value = places[name];
    if (value === undefined) throw new Error(`nothing for {${name}} of '${sentence}'`);
    if (format === ",") return grouped(Number(value));
    if (format === ".2f") return toDigits(Number(value));
    // no halves of thousandths below 1/16 are held exactly, so there is nothing to round to even
    if (format === ".3f") return Number(value).toFixed(3);
    return format === ".0%" ? percent(Number(value)) : String(value);
  });
}
