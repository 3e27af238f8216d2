/** What a column of kinds says of features: which are no genes.
 *
 * Same decisions as `runtime/base/feature_kinds.py` of the Python package.
 */

import decisions from "./decisions";

const { genes: rules } = decisions;
const GENE = new RegExp(`^(?:${rules.gene_kind.value})$`);
const OTHER = new RegExp(`^(?:${rules.other_kind.value})$`);

/** The kinds of a column, as they are written there. */
export interface FeatureKinds {
  /** How many features are of each kind. */
  counts: Map<string, number>;
  /** Kinds that are said to be genes. */
  genes: Set<string>;
  /** Kinds that are none; the empty one among them where it is none. */
  others: Set<string>;
  /** Whether all but the empty one are known words. */
  known: boolean;
}

/** A word in small letters, with one space for whatever stands between its parts. */
export function plain(word: string): string {
  return word.toLowerCase().replace(/[^a-z0-9]+/g, " ").trim();
}

/** The kinds that are no genes.
 *
 * Where a column names genes, these are; where it names other kinds alone, all but these; where it
 * names nothing that is known (chromosomes, biotypes, nothing at all), it says nothing. Few rows of
 * no kind beside genes are none, either.
 */
export function featureKinds(values: readonly string[]): FeatureKinds {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const kinds = [...counts.keys()];
  const genes = new Set(kinds.filter((kind) => GENE.test(plain(kind))));
  const blank = kinds.filter((kind) => !plain(kind));
  let others = kinds.filter((kind) => OTHER.test(plain(kind)));
  const known = genes.size + blank.length + others.length === kinds.length;
  if (genes.size) {
    const nBlank = blank.reduce((n, kind) => n + (counts.get(kind) ?? 0), 0);
    const few = nBlank < rules.mostly_of_a_kind.value * values.length;
    others = kinds.filter((kind) => !genes.has(kind) && (few || plain(kind)));
  }
  return { counts, genes, others: new Set(others), known };
}
