/** The log-odds of a label against all others, and against the next one.
 *
 * Where labels are the nearest prototypes, distances take their place: by how much farther the other
 * prototypes are on average, and by how much the runner-up's is.
 */

import type { Manifest } from "../../atlas/manifest";
import { tensor, type Tensor } from "../../atlas/network/tensor";

const TINY = 1e-300;

type Head = Pick<Manifest, "head">;

/** The label that an answer is for where it is not for `label`. */
export function closestOther(answer: Float64Array, label: number, { head }: Head): number {
  const sign = head.kind === "prototypes" ? -1 : 1;
  let best = -1;
  answer.forEach((one, at) => {
    if (at !== label && (best < 0 || sign * one > sign * answer[best])) best = at;
  });
  return Math.max(best, 0);
}

/** Slopes of both by each answer, [rows, labels]; rows are those of the cells, again and again. */
export function slopes(answer: Tensor, label: number, others: readonly number[], { head }: Head): [Tensor, Tensor] {
  const [rows, width] = answer.shape;
  const [rest, other] = [new Float64Array(rows * width), new Float64Array(rows * width)];
  for (let row = 0; row < rows; row++) {
    const at = row * width;
    const second = others[row % others.length];
    const parts = [answer.values, rest, other].map((one) => one.subarray(at, at + width));
    const [found, ofRest, ofOther] = parts;
    if (head.kind === "sigmoids") ofScores(ofRest, ofOther, label, second);
    else if (head.kind === "prototypes") ofDistances(ofRest, ofOther, label, second);
    else ofProbabilities(found, ofRest, ofOther, label, second);
  }
  return [tensor(answer.shape, rest), tensor(answer.shape, other)];
}

function ofScores(rest: Float64Array, other: Float64Array, label: number, second: number): void {
  rest[label] = other[label] = 1;
  other[second] -= 1;
}

function ofDistances(rest: Float64Array, other: Float64Array, label: number, second: number): void {
  rest.fill(1 / Math.max(rest.length - 1, 1));
  rest[label] = other[label] = -1;
  other[second] += 1;
}

function ofProbabilities(
  found: Float64Array,
  rest: Float64Array,
  other: Float64Array,
  label: number,
  second: number,
): void {
  const prob = found.map((one) => Math.max(one, TINY));
  const all = prob.reduce((sum, one) => sum + one, 0);
  rest.fill(-1 / Math.max(all - prob[label], TINY));
  rest[label] = other[label] = 1 / prob[label];
  other[second] -= 1 / prob[second];
}
