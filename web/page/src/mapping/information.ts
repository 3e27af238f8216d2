/** How much of what tells labels apart the genes of a query hold, and what that is worth.
 *
 * Same as `runtime/mapping/genes/information.py` of the Python package.
 */

import type { Answers } from "../atlas/session";
import type { PanelGenes } from "./features";
import { type FactorModel, knownOfFactors, solve } from "./missing_genes";

const TINY = 1e-12;

/** Share of what tells `nLabels` labels apart that the measured genes hold. */
export function labelInformation(
  { basis, factors }: PanelGenes,
  measured: Uint8Array,
  nLabels: number,
): number {
  if (!factors || !nLabels || measured.every((one) => one)) return 1;
  const weights = discriminants(basis.data as Float32Array, basis.shape[1], factors, nLabels);
  const told = shares(weights, factors, measured, nLabels);
  if (!told.length) return 1;
  const mean = told.reduce((sum, share) => sum + share, 0) / told.length;
  return Math.min(Math.max(mean, 0), 1);
}

/** [panel][labels], weights of the discriminants of whole cells, which come behind the factors. */
function discriminants(
  basis: Float32Array,
  width: number,
  factors: FactorModel,
  nLabels: number,
): Float64Array {
  const first = factors.loading.shape[1];
  const nGenes = basis.length / width;
  const weights = new Float64Array(nGenes * nLabels);
  for (let gene = 0; gene < nGenes; gene++) {
    for (let k = 0; k < nLabels; k++) weights[gene * nLabels + k] = basis[gene * width + first + k];
  }
  return weights;
}

/** Of each discriminant that varies, the share of its variance that the measured genes foretell. */
function shares(
  weights: Float64Array,
  factors: FactorModel,
  measured: Uint8Array,
  nLabels: number,
): number[] {
  const nFactors = factors.loading.shape[1];
  const [loading, noise] = [factors.loading.data, factors.noise.data];
  const ofFactor = new Float64Array(nFactors * nLabels);
  const variance = new Float64Array(nLabels);
  measured.forEach((_, gene) => {
    for (let k = 0; k < nLabels; k++) {
      const weight = weights[gene * nLabels + k];
      variance[k] += noise[gene] * weight * weight;
      for (let f = 0; f < nFactors; f++) {
        ofFactor[f * nLabels + k] += loading[gene * nFactors + f] * weight;
      }
    }
  });
  for (let at = 0; at < ofFactor.length; at++) variance[at % nLabels] += ofFactor[at] ** 2;
  const system = knownOfFactors(factors, measured, nLabels);
  const told = new Float64Array(nLabels);
  measured.forEach((has, gene) => {
    if (!has) return;
    for (let k = 0; k < nLabels; k++) {
      let shared = noise[gene] * weights[gene * nLabels + k];
      for (let f = 0; f < nFactors; f++) {
        shared += ofFactor[f * nLabels + k] * loading[gene * nFactors + f];
      }
      told[k] += (shared * shared) / noise[gene];
      for (let f = 0; f < nFactors; f++) {
        system[f][nFactors + k] += (shared * loading[gene * nFactors + f]) / noise[gene];
      }
    }
  });
  const right = system.map((row) => row.slice(nFactors));
  solve(system, nFactors);
  right.forEach((values, f) => {
    values.forEach((value, k) => (told[k] -= value * system[f][nFactors + k]));
  });
  return [...told].map((one, k) => one / variance[k]).filter((_, k) => variance[k] > TINY);
}

/** Mix probabilities of labels with what is known without any gene: all are as likely. */
export function asSureAsItsGenes(answers: Answers, information: number, power: number): Answers {
  const prob = answers.get("label_prob");
  if (!prob || information >= 1 || !power) return answers;
  const known = Math.fround(1 - (1 - information) ** power);
  const rest = Math.fround((1 - known) / prob.width);
  const data = prob.data.map((one) => known * one + rest);
  return new Map([...answers, ["label_prob", { ...prob, data }]]);
}
