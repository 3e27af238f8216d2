/** How to map. */

import decisions from "../decisions";

export { otherSpecies } from "../genes/orthologs";

export const BLOCK_CELLS = 2048;

export interface MapOptions {
  layer: string | null;
  genome: string | null;
  allowFractional: boolean;
  anyOrganism: boolean;
  /** The table of pairs by which genes of the other species are read as the atlas's; null to take
   * the query to be of the atlas's own. */
  orthologs: string | null;
  /** Whether to put each gene on the atlas's scale by its mean and spread over the whole query. */
  rescaleGenes: boolean;
  /** Whether to name all labels above one half, of an atlas that judges each by itself. */
  severalLabels: boolean;
  /** Whether to give every label's probability, and the labels along the tree. */
  probabilities: boolean;
  /** Whether to give the term of the Cell Ontology that each cell's call is. */
  cellOntology: boolean;
  /** Whether to give the number of the group of cells unlike the atlas that each cell is in. */
  novelGroups: boolean;
  /** Column of the query's cells with clusters, or `auto`; null for no groups. */
  groups: string | null;
  /** Refuse below this share of the atlas's genes. */
  minimumGenes: number;
}

export const DEFAULTS: MapOptions = {
  layer: null,
  genome: null,
  allowFractional: false,
  anyOrganism: false,
  orthologs: null,
  rescaleGenes: false,
  severalLabels: false,
  probabilities: false,
  cellOntology: false,
  novelGroups: false,
  groups: null,
  minimumGenes: decisions.genes.minimum.value,
};
