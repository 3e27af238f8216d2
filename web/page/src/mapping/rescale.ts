/** Put each gene of a query on the atlas's scale, by its mean and spread over the whole query.
 *
 * Same as `runtime/mapping/genes/rescale.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import type { GeneMatch } from "../genes/match";
import type { CountBlock, Matrix } from "../sources/source";
import { type Blocks, spreadCells } from "../sources/spread_cells";
import type { Atlas } from "./atlas";
import { type GeneScaling, linearFeatures, type QueryBasis, queryBasis } from "./features";
import { labelInformation } from "./information";

const { rescaling: rules } = decisions;
const LIBRARY = 1e4;
const [LEAST_VARIANCE, LEAST_SEEN, TINY] = [1e-6, 1e-4, 1e-9];

export interface Rescaling {
  scaling: GeneScaling;
  /** Cells that were looked at. */
  cells: number;
}

/** Mean and spread of the values of each panel gene in the reference. */
interface Reference {
  /** [labels][panel], of the cells of each label. */
  mean: Float64Array[];
  /** [panel], variance that labels leave. */
  within: Float64Array;
  /** [labels], of the reference's cells. */
  share: Float64Array;
}

/** Refuse a query of fewer genes than a share `minimum` that do not tell the labels apart. */
export function checkPanel(where: string, genes: GeneMatch, atlas: Atlas, minimum: number): void {
  const panel = genes.measured.length;
  if (genes.nMatched / panel >= minimum) return;
  const information = labelInformation(atlas.panel, genes.measured, atlas.manifest.labels.length);
  if (information >= rules.least_information.value) return;
  const said = { matched: genes.nMatched, panel, source: where, information };
  throw new InputError(say(rules.too_little, said));
}

/** Measure what puts each gene of a query on the atlas's scale. */
export async function rescale(
  matrix: Matrix,
  blocks: Blocks,
  genes: GeneMatch,
  atlas: Atlas,
): Promise<Rescaling> {
  const { manifest, panel, profiles } = atlas;
  if (!panel.factors || !profiles) {
    throw new InputError(say(rules.unknown, { atlas: manifest.name }));
  }
  const reference = await referenceOf(atlas, await profiles());
  const sample: CountBlock[] = [];
  const [most, windows] = [rules.cells.value, rules.windows.value];
  for await (const block of spreadCells(blocks, matrix.nCells, most, windows)) sample.push(block);
  const { n, mean, variance } = moments(sample, genes, atlas);
  if (!n) throw new InputError(say(rules.empty, { source: matrix.where }));
  const kept = n / (n + rules.few_cells.value);
  const steepest = rules.steepest.value;
  let scaling: GeneScaling | null = null;
  for (let round = 0; round < rules.rounds.value; round++) {
    let { share } = reference;
    if (manifest.labels.length) {
      const own = rules.own_mix.value;
      const called = await calledShares(sample, genes, atlas, scaling);
      share = share.map((one, k) => own * called[k] + (1 - own) * one);
    }
    const [slope, shift] = [new Float64Array(mean.length).fill(1), new Float64Array(mean.length)];
    genes.measured.forEach((has, gene) => {
      if (!has) return;
      const [wanted, spread] = wantedOf(reference, share, gene);
      const ratio = Math.max(spread, LEAST_VARIANCE) / Math.max(variance[gene], LEAST_SEEN);
      const steep = Math.min(Math.max(Math.sqrt(ratio), 1 / steepest), steepest);
      // in single precision the order in which cells were read does not show
      slope[gene] = Math.fround(1 - kept + kept * steep);
      shift[gene] = Math.fround(kept * (wanted - steep * mean[gene]));
    });
    scaling = { slope, shift };
  }
  return { scaling: scaling!, cells: n };
}

/** Mean and variance of a gene in cells of which each label has such a share. */
function wantedOf(reference: Reference, share: Float64Array, gene: number): [number, number] {
  let [middle, spread] = [0, reference.within[gene]];
  reference.mean.forEach((values, k) => (middle += share[k] * values[gene]));
  reference.mean.forEach((values, k) => (spread += share[k] * (values[gene] - middle) ** 2));
  return [middle, spread];
}

async function referenceOf(atlas: Atlas, profiles: Float32Array): Promise<Reference> {
  const { manifest, panel } = atlas;
  const nGenes = panel.mean.length;
  const { loading, noise } = panel.factors!;
  const nFactors = loading.shape[1];
  const scale = panel.target / LIBRARY;
  const share = await sharesOf(atlas, profiles.length / nGenes);
  const mean = Array.from(share, () => new Float64Array(nGenes));
  const within = new Float64Array(nGenes);
  for (let gene = 0; gene < nGenes; gene++) {
    let variance = noise.data[gene];
    for (let f = 0; f < nFactors; f++) variance += loading.data[gene * nFactors + f] ** 2;
    let expected = 0;
    mean.forEach((values, k) => {
      values[gene] = Math.log1p(Math.expm1(profiles[k * nGenes + gene]) * scale);
      expected += share[k] * values[gene];
    });
    const factor = panel.mean[gene] / Math.max(expected, TINY);
    let between = 0;
    mean.forEach((values, k) => {
      values[gene] *= factor;
      between += share[k] * (values[gene] - panel.mean[gene]) ** 2;
    });
    within[gene] = Math.max(variance - between, rules.least_within.value * variance);
  }
  return { mean, within, share: manifest.labels.length ? share : Float64Array.of(1) };
}

/** Share of the reference's cells that each label has. */
async function sharesOf(atlas: Atlas, nProfiles: number): Promise<Float64Array> {
  if (!atlas.manifest.labels.length) return Float64Array.of(1);
  const cells = new Float64Array(nProfiles);
  let all = 0;
  for (const label of await atlas.referenceLabels!()) {
    if (label < 0) continue;
    cells[label]++;
    all++;
  }
  return cells.map((n) => n / Math.max(all, 1));
}

/** Cells with counts; mean and variance of the values of each panel gene. */
function moments(sample: readonly CountBlock[], genes: GeneMatch, atlas: Atlas) {
  const nGenes = genes.measured.length;
  const plain = basisOf(genes, atlas, null);
  const [mean, variance] = [new Float64Array(nGenes), new Float64Array(nGenes)];
  let n = 0;
  for (const block of sample) {
    const cells = linearFeatures(plain, block);
    for (let cell = 0; cell < block.nCells; cell++) {
      if (!(cells.library[cell] > 0)) continue;
      n++;
      const scale = plain.target / cells.library[cell];
      for (let k = cells.ends[cell]; k < cells.ends[cell + 1]; k++) {
        const value = Math.log1p(cells.counts[k] * scale);
        mean[cells.genes[k]] += value;
        variance[cells.genes[k]] += value * value;
      }
    }
  }
  for (let gene = 0; gene < nGenes; gene++) {
    mean[gene] /= Math.max(n, 1);
    variance[gene] = Math.max(variance[gene] / Math.max(n, 1) - mean[gene] ** 2, 0);
  }
  return { n, mean, variance };
}

/** Mean probability of each label over cells with counts. */
async function calledShares(
  sample: readonly CountBlock[],
  genes: GeneMatch,
  atlas: Atlas,
  scaling: GeneScaling | null,
): Promise<Float64Array> {
  const basis = basisOf(genes, atlas, scaling);
  const total = new Float64Array(atlas.manifest.labels.length);
  let n = 0;
  for (const block of sample) {
    const encoded = linearFeatures(basis, block);
    const prob = (await atlas.tail.run(encoded.features)).get("label_prob")!;
    for (let cell = 0; cell < block.nCells; cell++) {
      if (!(encoded.library[cell] > 0)) continue;
      n++;
      for (let k = 0; k < total.length; k++) total[k] += prob.data[cell * prob.width + k];
    }
  }
  return total.map((one) => one / Math.max(n, 1));
}

function basisOf(genes: GeneMatch, atlas: Atlas, scaling: GeneScaling | null): QueryBasis {
  return queryBasis(atlas.panel, genes.panelColumn, genes.measured, genes.isGene, scaling);
}
