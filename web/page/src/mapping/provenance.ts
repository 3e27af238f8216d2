/** What `uns["cellport"]` says of a finished mapping, as in the Python package. */

import * as ort from "onnxruntime-web/wasm";

import type { Manifest } from "../atlas/manifest";
import { positions, roots, type Trajectory } from "../atlas/trajectory";
import { Pairs, type Said } from "../writers/h5ad";
import type { GeneMatch } from "./genes";
import type { Query } from "./map_query";

const SHOWN_MISSING = 20;

export function provenance(
  query: Query,
  manifest: Manifest,
  trajectory: Trajectory | null,
  seconds: number,
): Record<string, Said> {
  const { matrix } = query.place;
  return {
    cellport: {
      atlas: manifest.name,
      atlas_sha256: manifest.sha256,
      cellport_version: manifest.cellportVersion,
      onnxruntime_version: ort.env.versions.web ?? ort.env.versions.common,
      device: "browser",
      counts_from: [matrix.where],
      notes: query.notes,
      genes: report(query.genes),
      thresholds: manifest.thresholds,
      n_cells: matrix.nCells,
      seconds: Math.round(1000 * seconds) / 1000,
      ...(trajectory && { trajectory: inBrief(trajectory) }),
    },
  };
}

function inBrief(trajectory: Trajectory): Said {
  const { milestones, edges, ends, terminals } = trajectory;
  return {
    milestones,
    positions: new Pairs(positions(trajectory)),
    edges,
    edge_ends: new Pairs(Int32Array.from(ends)),
    roots: roots(trajectory),
    terminal_states: terminals,
  };
}

function report(genes: GeneMatch): Said {
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
    missing: missing.slice(0, SHOWN_MISSING),
    warnings: genes.warnings,
  };
}
