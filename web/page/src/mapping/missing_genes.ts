/** What genes that a query did not measure are expected to be, folded into the basis.
 *
 * The same sum as `basis_of_measured` in `kernels/features.py` of the Python package: what is expected
 * of a missing gene is linear in the others, so its row is added to theirs.
 */

import type { NpyArray } from "../atlas/npy";

/** The factor model of the panel genes. */
export interface FactorModel {
  /** [panel, factors] */
  loading: NpyArray;
  /** [panel], above 0 */
  noise: NpyArray;
}

/** The basis [panel, features] for a query; the rows of missing genes mean nothing. */
export function basisOfMeasured(
  basis: Float32Array,
  factors: FactorModel,
  measured: Uint8Array,
): Float32Array {
  if (measured.every((one) => one)) return basis;
  const nGenes = measured.length;
  const nFeatures = basis.length / nGenes;
  const nFactors = factors.loading.shape[1];
  const { data: loading } = factors.loading;
  const { data: noise } = factors.noise;
  // [factors, factors + features]: the system beside what the missing genes' rows ask of factors
  const system = knownOfFactors(factors, measured, nFeatures);
  for (let gene = 0; gene < nGenes; gene++) {
    if (measured[gene]) continue;
    for (let row = 0; row < nFactors; row++) {
      const scale = loading[gene * nFactors + row];
      for (let f = 0; f < nFeatures; f++) {
        system[row][nFactors + f] += scale * basis[gene * nFeatures + f];
      }
    }
  }
  solve(system, nFactors);
  const added = basis.slice();
  const sum = new Float64Array(nFeatures);
  for (let gene = 0; gene < nGenes; gene++) {
    if (!measured[gene]) continue;
    sum.fill(0);
    for (let k = 0; k < nFactors; k++) {
      const scale = loading[gene * nFactors + k] / noise[gene];
      for (let f = 0; f < nFeatures; f++) sum[f] += scale * system[k][nFactors + f];
    }
    for (let f = 0; f < nFeatures; f++) added[gene * nFeatures + f] += sum[f];
  }
  return added;
}

/** How much the measured genes say of the factors, [factors, factors + room]; zeros in the room. */
export function knownOfFactors(
  { loading, noise }: FactorModel,
  measured: Uint8Array,
  room: number,
): Float64Array[] {
  const nFactors = loading.shape[1];
  const system = Array.from({ length: nFactors }, (_, row) => {
    const values = new Float64Array(nFactors + room);
    values[row] = 1;
    return values;
  });
  measured.forEach((has, gene) => {
    if (!has) return;
    const at = gene * nFactors;
    for (let row = 0; row < nFactors; row++) {
      const scale = loading.data[at + row] / noise.data[gene];
      for (let k = 0; k < nFactors; k++) system[row][k] += scale * loading.data[at + k];
    }
  });
  return system;
}

/** Solve in place, by Gauss-Jordan; the matrix is positive definite, so no row is exchanged. */
export function solve(system: Float64Array[], size: number): void {
  for (let pivot = 0; pivot < size; pivot++) {
    const top = system[pivot];
    const scale = 1 / top[pivot];
    for (let k = pivot; k < top.length; k++) top[k] *= scale;
    for (let row = 0; row < size; row++) {
      if (row === pivot) continue;
      const values = system[row];
      const factor = values[pivot];
      for (let k = pivot; k < top.length; k++) values[k] -= factor * top[k];
    }
  }
}
