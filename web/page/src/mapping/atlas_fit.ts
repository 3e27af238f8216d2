/** How a query fits an atlas, and what it comes to in words.
 *
 * Same as `AtlasFit` in `runtime/rank.py` of the Python package.
 */

import type { Manifest } from "../atlas/manifest";
import decisions, { say } from "../decisions";

const { rank: rules } = decisions;

/** Shares are of the looked-at cells that have counts; null is what the atlas cannot tell. */
export interface AtlasFit {
  /** Its name on the site. */
  atlas: string;
  /** As it calls itself; empty where it could not be opened. */
  name: string;
  organism: string;
  nLabels: number;
  /** Why the query cannot be mapped onto it; empty where it can. */
  refused: string;
  /** Share of its genes that the query has. */
  genes: number;
  /** Share of cells like something in it. */
  like: number | null;
  /** Mean probability of their labels. */
  right: number | null;
  /** Share with a call. */
  called: number | null;
  /** Labels that at least a hundredth of the cells have. */
  types: number;
  /** By which atlases are ranked, 0 to 1. */
  score: number;
}

/** What it comes to, in words. */
export function fitInWords({ refused, genes, like, right, types }: AtlasFit): string {
  if (refused) return refused;
  const said = [say(rules.genes, { genes }), like === null ? rules.cannot_tell : say(rules.like, { like })];
  if (right !== null) said.push(say(rules.right, { types, right }));
  return `${said.join("; ")}.`;
}

/** The best first; of equals, those that were asked first. */
export function ranked(fits: readonly AtlasFit[]): AtlasFit[] {
  return [...fits].sort((one, other) => other.score - one.score);
}

/** An atlas that could not be opened, or not take the query. */
export function refusedFit(atlas: string, refused: string, manifest?: Manifest): AtlasFit {
  const { name = "", organism = "", labels = [] } = manifest ?? {};
  const nothing = { genes: 0, like: null, right: null, called: null, types: 0, score: 0 };
  return { atlas, name, organism, nLabels: labels.length, refused, ...nothing };
}
