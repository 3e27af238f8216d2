/** The genes that spoke for labels, by type and by cell, and what becomes of cells without them.
 *
 * Same as `runtime/mapping/explain/genes.py` of the Python package.
 */

import { type Manifest, panelNames } from "../../atlas/manifest";
import decisions from "../../decisions";
import { representatives } from "../../genes/match";
import { type CountedCell, withoutGenes } from "./counted";
import type { Evidence, Explainer } from "./evidence";

/** A gene that spoke for a label. */
export interface SpeakingGene {
  gene: string;
  /** What its counts add to the log-odds of the label against all others, and against the
   * runner-up; of a type the mean over its cells. */
  forLabel: number;
  againstRunnerUp: number;
  /** Share of the cells that express it; of one cell its counts. */
  expressed: number;
  /** Of the label were there no count of it; NaN without probabilities. */
  probabilityWithout: number;
}

/** Why cells were given a label. */
export interface LabelReasons {
  label: string;
  /** The next label, of a type that of most of its cells; empty where there is no other. */
  runnerUp: string;
  /** How many were looked at. */
  cells: number;
  /** Of the label, the mean over the cells. */
  probability: number;
  /** Those that spoke for it, most first. */
  genes: SpeakingGene[];
  /** Of the label were there no count of all these genes. */
  probabilityWithout: number;
}

/** Of each panel gene a mean over cells. */
interface GeneMeans {
  forLabel: Float64Array;
  againstRunnerUp: Float64Array;
  expressed: Float64Array;
}

/** Name the genes that spoke for a label over all of some cells. */
export function reasonsOfType(
  explainer: Explainer,
  cells: readonly CountedCell[],
  label: number,
  manifest: Manifest,
): LabelReasons {
  return reasons(explainer, cells, label, manifest, (count) => Number(count > 0));
}

/** Name the genes that spoke for a label of one cell. */
export function reasonsOfCell(explainer: Explainer, cell: CountedCell, label: number, manifest: Manifest): LabelReasons {
  return reasons(explainer, [cell], label, manifest, (count) => count);
}

function reasons(
  explainer: Explainer,
  cells: readonly CountedCell[],
  label: number,
  manifest: Manifest,
  expressed: (count: number) => number,
): LabelReasons {
  const own = representatives(manifest.panel);
  const found = explainer.evidence(cells, label);
  const means = meansOf(cells, found, own.length, expressed);
  const genes = best(means.forLabel, decisions.explain.genes.value);
  const names = panelNames(manifest);
  const without = (gone: readonly number[]) => meanWithout(explainer, cells, label, gone, own);
  return {
    label: manifest.labels[label],
    runnerUp: manifest.labels.length > 1 ? manifest.labels[mostOften(found.map((one) => one.runnerUp))] : "",
    cells: cells.length,
    probability: mean(found.map(({ probability }) => probability)),
    genes: genes.map((gene) => ({
      gene: names[gene],
      forLabel: means.forLabel[gene],
      againstRunnerUp: means.againstRunnerUp[gene],
      expressed: means.expressed[gene],
      probabilityWithout: without([gene]),
    })),
    probabilityWithout: without(genes),
  };
}

function meansOf(
  cells: readonly CountedCell[],
  found: readonly Evidence[],
  panel: number,
  expressed: (count: number) => number,
): GeneMeans {
  const empty = () => new Float64Array(panel);
  const means = { forLabel: empty(), againstRunnerUp: empty(), expressed: empty() };
  cells.forEach(({ genes, counts }, i) => {
    genes.forEach((gene, k) => {
      means.forLabel[gene] += found[i].forLabel[k] / cells.length;
      means.againstRunnerUp[gene] += found[i].againstRunnerUp[k] / cells.length;
      means.expressed[gene] += expressed(counts[k]) / cells.length;
    });
  });
  return means;
}

/** Mean probability of the label were there no count of some genes. */
function meanWithout(
  explainer: Explainer,
  cells: readonly CountedCell[],
  label: number,
  genes: readonly number[],
  own: Int32Array,
): number {
  const gone = new Set(genes.map((gene) => own[gene]));
  return mean(explainer.probability(cells.map((cell) => withoutGenes(cell, gone, own)), label));
}

/** Those above 0, the largest first. */
function best(strength: Float64Array, most: number): number[] {
  const order = [...strength.keys()].filter((gene) => strength[gene] > 0);
  return order.sort((a, b) => strength[b] - strength[a]).slice(0, most);
}

/** The first of those that are there most often. */
function mostOften(codes: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || a - b)[0][0];
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, one) => sum + one, 0) / values.length;
}
