/** Products with weights, and normalised layers. */

import { paired, tensor, type Tensor } from "../tensor";
import { numberOf, type Operation } from "./operation";

/** Rows [n, k] times a matrix [k, m]. */
function product(rows: Float64Array, matrix: Float64Array, k: number, m: number): Float64Array {
  const n = k ? rows.length / k : 0;
  const found = new Float64Array(n * m);
  const at = new Int32Array(k);
  for (let row = 0; row < n; row++) {
    const values = rows.subarray(row * k, (row + 1) * k);
    // without what a rectifier has cut off, which is half of all
    let some = 0;
    for (let j = 0; j < k; j++) if (values[j] !== 0) at[some++] = j;
    addRows(found.subarray(row * m, (row + 1) * m), matrix, at.subarray(0, some), values);
  }
  return found;
}

/** Add rows of a matrix times values to `sum`, four at a time: at half the time of one. */
function addRows(sum: Float64Array, matrix: Float64Array, at: Int32Array, values: Float64Array): void {
  const m = sum.length;
  let j = 0;
  for (; j + 3 < at.length; j += 4) {
    const [a, b, c, d] = [at[j], at[j + 1], at[j + 2], at[j + 3]];
    const [va, vb, vc, vd] = [values[a], values[b], values[c], values[d]];
    const [sa, sb, sc, sd] = [a * m, b * m, c * m, d * m];
    for (let i = 0; i < m; i++) {
      sum[i] += va * matrix[sa + i] + vb * matrix[sb + i] + vc * matrix[sc + i] + vd * matrix[sd + i];
    }
  }
  for (; j < at.length; j++) {
    const start = at[j] * m;
    for (let i = 0; i < m; i++) sum[i] += values[at[j]] * matrix[start + i];
  }
}

function transposed(matrix: Float64Array, rows: number, columns: number): Float64Array {
  const found = new Float64Array(matrix.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) found[j * rows + i] = matrix[i * columns + j];
  }
  return found;
}

/** `a` [..., k] times weights [k, m], which are constants; nothing of other shapes. */
const matMul: Operation = (_, a, b) => {
  const k = a.shape.at(-1);
  if (k === undefined || b.shape.length !== 2 || b.shape[0] !== k) return null;
  const [, m] = b.shape;
  const shape = [...a.shape.slice(0, -1), m];
  const found = tensor(shape, product(a.values, b.values, k, m));
  return [found, (g) => [tensor(a.shape, product(g.values, transposed(b.values, k, m), m, k)), null]];
};

const gemm: Operation = (given, a, b, c) => {
  const [alpha, beta] = [numberOf(given, "alpha", 1), numberOf(given, "beta", 1)];
  const weight = numberOf(given, "transB", 0) ? flipped(b) : b;
  const made = matMul(given, a, weight);
  if (!made) return null;
  const [plain, back] = made;
  const scaled = alpha === 1 ? plain : tensor(plain.shape, plain.values.map((one) => alpha * one));
  const answer = c ? paired(scaled, c, (x, y) => x + beta * y, false) : scaled;
  return [
    answer,
    (g) => {
      const [change] = back(alpha === 1 ? g : tensor(g.shape, g.values.map((one) => alpha * one)));
      return [change, null, c ? tensor(g.shape, g.values.map((one) => beta * one)) : null];
    },
  ];
};

function flipped({ shape, values, whole }: Tensor): Tensor {
  const [rows, columns] = shape;
  return { shape: [columns, rows], values: transposed(values, rows, columns), whole };
}

const layerNorm: Operation = (given, x, scale, bias) => {
  const width = x.shape.at(-1)!;
  const [unit, spreads] = unitRows(x, width, numberOf(given, "epsilon", 1e-5));
  const scaled = paired(tensor(x.shape, unit), scale, (a, b) => a * b, false);
  const answer = bias ? paired(scaled, bias, (a, b) => a + b, false) : scaled;
  return [
    answer,
    (g) => {
      const change = paired(g, scale, (a, b) => a * b, false).values;
      for (let row = 0; row < spreads.length; row++) {
        const part = change.subarray(row * width, (row + 1) * width);
        const own = unit.subarray(row * width, (row + 1) * width);
        let [mean, along] = [0, 0];
        for (let i = 0; i < width; i++) {
          mean += part[i] / width;
          along += (part[i] * own[i]) / width;
        }
        for (let i = 0; i < width; i++) part[i] = (part[i] - mean - own[i] * along) / spreads[row];
      }
      return [tensor(x.shape, change), null, null];
    },
  ];
};

/** Rows of mean 0 and variance 1, and what each was divided by. */
function unitRows({ values }: Tensor, width: number, epsilon: number): [Float64Array, Float64Array] {
  const unit = Float64Array.from(values);
  const spreads = new Float64Array(values.length / width);
  for (let row = 0; row < spreads.length; row++) {
    const part = unit.subarray(row * width, (row + 1) * width);
    const mean = part.reduce((sum, one) => sum + one, 0) / width;
    let variance = 0;
    for (let i = 0; i < width; i++) {
      part[i] -= mean;
      variance += part[i] ** 2 / width;
    }
    spreads[row] = Math.sqrt(variance + epsilon);
    for (let i = 0; i < width; i++) part[i] /= spreads[row];
  }
  return [unit, spreads];
}

export const LAYERS: Record<string, Operation> = {
  Gemm: gemm,
  LayerNormalization: layerNorm,
  MatMul: matMul,
};
