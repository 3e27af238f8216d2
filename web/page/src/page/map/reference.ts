/** The reference as the map shows it. */

import { hasReference } from "../../atlas/manifest";
import type { Parts } from "../../atlas/parts";
import { type Course, readCourses } from "./trajectory";

export interface Reference {
  n: number;
  places: Float32Array;
  /** Position in the atlas's labels, -1 for none. */
  label: ArrayLike<number>;
  /** The atlas's labels, most frequent first: the order in which they get their marks. */
  order: string[];
  /** The trajectory as the atlas holds it, null where it does not. */
  courses: Course[] | null;
}

/** Without cells where the atlas has none to show. */
export async function readReference(parts: Parts): Promise<Reference> {
  if (!hasReference(parts.manifest)) {
    const { labels } = parts.manifest;
    return { n: 0, places: new Float32Array(0), label: [], order: labels, courses: null };
  }
  const [umap, label, courses] = await Promise.all([
    parts.array("reference_umap"),
    parts.array("reference_label"),
    readCourses(parts),
  ]);
  const { labels } = parts.manifest;
  const cells = new Float64Array(labels.length);
  label.data.forEach((code: number) => cells[code]++);
  const order = labels.map((_, code) => code).sort((a, b) => cells[b] - cells[a] || a - b);
  return {
    n: umap.shape[0],
    places: Float32Array.from(umap.data),
    label: label.data,
    order: order.map((code) => labels[code]),
    courses,
  };
}
