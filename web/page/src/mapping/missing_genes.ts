/** What genes that a query did not measure are expected to be, folded into the first layer.
 *
 * The same sum as `basis_of_measured` in `kernels/features.py` of the Python package: what is expected
 * of a missing gene is linear in the others, so its weights are added to theirs.
 */

import type { LayerArrays } from "./first_layer";

/** Weights [panel, hidden] for a query; the rows of missing genes mean nothing. */
export function weightOfMeasured(arrays: LayerArrays, measured: Uint8Array): Float32Array {
  const weight = arrays.weight.data as Float32Array;
  if (measured.every((one) => one)) return weight;
  const nGenes = measured.length;
  const nHidden = weight.length / nGenes;
  const nFactors = arrays.loading.shape[1];
  const { data: loading } = arrays.loading;
  const { data: noise } = arrays.noise;
  // [factors, factors + hidden]: the system beside what the missing genes' weights ask of factors
  const width = nFactors + nHidden;
  const system = Array.from({ length: nFactors }, (_, row) => {
    const values = new Float64Array(width);
    values[row] = 1;
    return values;
  });
  for (let gene = 0; gene < nGenes; gene++) {
    const at = gene * nFactors;
    for (let row = 0; row < nFactors; row++) {
      const values = system[row];
      if (measured[gene]) {
        const scale = loading[at + row] / noise[gene];
        for (let k = 0; k < nFactors; k++) values[k] += scale * loading[at + k];
      } else {
        const scale = loading[at + row];
        for (let h = 0; h < nHidden; h++) values[nFactors + h] += scale * weight[gene * nHidden + h];
      }
    }
  }
  solve(system, nFactors);
  const added = weight.slice();
  const sum = new Float64Array(nHidden);
  for (let gene = 0; gene < nGenes; gene++) {
    if (!measured[gene]) continue;
    sum.fill(0);
    for (let k = 0; k < nFactors; k++) {
      const scale = loading[gene * nFactors + k] / noise[gene];
      for (let h = 0; h < nHidden; h++) sum[h] += scale * system[k][nFactors + h];
    }
    for (let h = 0; h < nHidden; h++) added[gene * nHidden + h] += sum[h];
  }
  return added;
}

/** Solve in place, by Gauss-Jordan; the matrix is positive definite, so no row is exchanged. */
function solve(system: Float64Array[], size: number): void {
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
