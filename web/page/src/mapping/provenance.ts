/** What `uns["cellport"]` says of a finished mapping, as in the Python package. */

import * as ort from "onnxruntime-web/wasm";

import { edgeNames, type Manifest, rootsOf, terminalNames } from "../atlas/manifest";
import { positions, type Trajectory } from "../atlas/trajectory";
import decisions from "../decisions";
import { VERSION } from "../version";
import type { Consulted } from "./consensus/annotate";
import type { Query } from "./query";

/** Text, numbers, lists of text, tables of numbers, and groups of these. */
export type Said = string | number | readonly string[] | Pairs | { readonly [key: string]: Said };

/** A table of numbers, two in a row. */
export class Pairs {
  constructor(readonly values: Float64Array | Int32Array) {}
}

export function provenance(
  queries: readonly Query[],
  manifest: Manifest,
  trajectory: Trajectory | null,
  seconds: number,
) {
  const reports = queries.map(geneReport);
  const [{ options, consensus: asked }] = queries;
  return {
    cellport: {
      atlas: manifest.name,
      atlas_sha256: manifest.sha256,
      cellport_version: VERSION,
      onnxruntime_version: ort.env.versions.web ?? ort.env.versions.common,
      device: "browser",
      counts_from: queries.map(({ place }) => place.matrix.where),
      notes: queries.flatMap(({ notes }) => notes),
      genes: reports.length === 1 ? reports[0] : Object.fromEntries(reports.entries()),
      ...(options.probabilities && { labels: manifest.labels }),
      ...(options.cellOntology && { cell_ontology: termsOf(manifest) }),
      ...(options.groups !== null && { groups: options.groups }),
      ...(asked && besidesSaid(asked)),
      thresholds: manifest.thresholds,
      n_cells: queries.reduce((n, { place }) => n + place.matrix.nCells, 0),
      seconds: Math.round(1000 * seconds) / 1000,
      ...(trajectory && { trajectory: inBrief(trajectory) }),
    },
  };
}

/** Lists of records are texts, as in the files that the command line writes. */
function besidesSaid({ also, labelsAlike }: Consulted): Record<string, Said> {
  const told = Object.entries(labelsAlike).map(([name, records]) => [name, JSON.stringify(records)]);
  return { also: JSON.stringify(also), labels_alike: Object.fromEntries(told) as Record<string, Said> };
}

function termsOf({ terms }: Manifest): Said {
  return { labels: [...terms.keys()], term_ids: [...terms.values()].map(([id]) => id) };
}

function inBrief(trajectory: Trajectory): Said {
  const { graph } = trajectory;
  return {
    milestones: graph.milestones,
    positions: new Pairs(positions(trajectory)),
    edges: edgeNames(graph),
    edge_ends: new Pairs(Int32Array.from(graph.edges.flat())),
    roots: rootsOf(graph),
    terminal_states: terminalNames(graph),
  };
}

/** How the genes of a query were matched. */
export type GeneReport = ReturnType<typeof geneReport>;

export function geneReport({ genes, coverage }: Query) {
  const { measured, nMatched, missing, ambiguous } = genes;
  return {
    column: genes.column,
    organism: genes.organism ?? "unknown",
    n_panel: measured.length,
    n_query: genes.panelColumn.length,
    n_matched: nMatched,
    share: nMatched / measured.length,
    by_rule: genes.byRule,
    n_duplicated: genes.nDuplicated,
    n_ambiguous: ambiguous.length,
    missing: missing.slice(0, decisions.genes.missing_named.value),
    warnings: [...(coverage.note === null ? [] : [coverage.note]), ...genes.warnings],
    coverage: coverage.share,
  };
}
