/** Texts by number, in the order in which they are met. */

/** Code of a text among those that were met, which it joins. */
export function codeOf(met: Map<string, number>, text: string): number {
  const code = met.get(text) ?? met.size;
  met.set(text, code);
  return code;
}
