/** Which labels of several atlases are one, by name and by term.
 *
 * Same as `runtime/mapping/consensus/labels_alike.py` of the Python package.
 */

import type { Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import { ofAtlas } from "../columns";

const { columns } = decisions;
const NO_WORD = /[^a-z0-9+]+/g;

export interface JointLabels {
  /** Those of the first atlas, then what others add. */
  labels: string[];
  /** For each atlas, the joint label that each of its labels is. */
  places: number[][];
}

/** Name the joint labels of atlases: those of the first, then what others add by name or term. */
export function jointLabels(manifests: readonly Pick<Manifest, "labels" | "terms">[]): JointLabels {
  const labels: string[] = [];
  const known = new Map<string, number>();
  const places = manifests.map((manifest) => {
    const at: number[] = [];
    for (const label of manifest.labels) {
      const same = keysOf(label, manifest).find((key) => known.has(key));
      const place = same === undefined ? labels.length : known.get(same)!;
      // two labels of one atlas stay two, whatever they share
      at.push(at.includes(place) ? labels.length : place);
      if (at.at(-1) === labels.length) labels.push(label);
    }
    manifest.labels.forEach((label, i) => {
      for (const key of keysOf(label, manifest)) if (!known.has(key)) known.set(key, at[i]);
    });
    return at;
  });
  return { labels, places };
}

/** By what a label is known: its plain name and its term. */
function keysOf(label: string, { terms }: Pick<Manifest, "terms">): string[] {
  return [plainName(label), terms.get(label)?.[0] ?? ""].filter((key) => key !== "");
}

/** What is left of a name without case, signs and the word for cells. */
export function plainName(label: string): string {
  const words = label.toLowerCase().replace(NO_WORD, " ").split(" ");
  const kept = words.filter((word) => word !== "" && word !== "cell" && word !== "cells");
  return kept.map((word) => word.replace(/s$/, "")).join(" ");
}

/** Names of which no two are the same: a number behind those that come again.
 *
 * Nor is a column of an atlas behind the first called as one of cellport's own is: `cellport_label`
 * of an atlas named `set` would be `cellport_label_set`.
 */
export function numbered(names: readonly string[]): string[] {
  const found: string[] = [];
  for (const name of names) {
    let made = name;
    for (let number = 2; found.includes(made) || (found.length && isOwn(made)); number++) made = `${name}_${number}`;
    found.push(made);
  }
  return found;
}

function isOwn(atlas: string): boolean {
  const own: string[] = Object.values(columns);
  return [columns.label, columns.prob, columns.novel].some((column) => own.includes(ofAtlas(column, atlas)));
}
