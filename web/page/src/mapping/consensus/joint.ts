/** What several atlases say of a cell together; matrices are flat, row after row.
 *
 * Same as `runtime/mapping/consensus/joint.py` of the Python package, which says why.
 */

import decisions from "../../decisions";

const { shared, strange, strange_if_novel: strangeIfNovel, least } = decisions.consensus;
const TINY = 1e-12;

/** What an atlas says of cells. */
export interface Opinion {
  /** [cells, labels] */
  prob: Float32Array;
  /** [cells], 1 for those unlike it; none where it cannot tell. */
  novel: Uint8Array;
}

/** What the labels of one atlas say of joint labels. */
export interface Translation {
  /** [labels, joint labels]: of cells with a label, the share of each joint one; rows add up to 1. */
  into: Float64Array;
  /** [joint labels], the share of each in cells of the query; what evidence is held against. */
  base: Float64Array;
}

/** The first atlas's probabilities of joint labels, [cells, joint labels]; its own come first among
 * those, and the rest get, alike, what is not theirs. */
export function ofFirst({ prob, novel }: Opinion, nJoint: number): Float64Array {
  const own = prob.length / Math.max(novel.length, 1);
  const beyond = nJoint - own;
  const joint = new Float64Array(novel.length * nJoint);
  novel.forEach((isNovel, cell) => {
    const doubt = beyond ? doubtOf(isNovel) : 0;
    const row = joint.subarray(cell * nJoint, (cell + 1) * nJoint);
    for (let label = 0; label < own; label++) row[label] = prob[cell * own + label] * (1 - doubt);
    row.fill(doubt / Math.max(beyond, 1), own);
  });
  return joint;
}

/** How another atlas's labels translate.
 *
 * A label that both have by name or term is itself, but for cells of those labels of the first that
 * the other lacks: these are what the query's cells show, and so is all of a label that only the
 * other has, the share of whose cells that are unlike the first atlas stay by its name.
 *
 * `cells` is [joint labels, labels], as `Heard.alike` says; `places` the joint label of each label,
 * `nFirst` the labels of the first atlas. */
export function translation(cells: Float64Array, places: readonly number[], nFirst: number): Translation {
  const nLabels = places.length;
  const nJoint = cells.length / Math.max(nLabels, 1);
  const has = new Set(places);
  const into = new Float64Array(nLabels * nJoint);
  const totals = columnSums(cells, nLabels);
  places.forEach((place, label) => {
    const row = into.subarray(label * nJoint, (label + 1) * nJoint);
    let rest = 1;
    for (let one = 0; one < nJoint; one++) {
      if (place < nFirst ? has.has(one) : one >= nFirst) continue;
      row[one] = cells[one * nLabels + label] / Math.max(totals[label], TINY);
      rest -= row[one];
    }
    row[place] = rest;
  });
  const all = Math.max(totals.reduce((sum, one) => sum + one, 0), TINY);
  const base = new Float64Array(nJoint);
  totals.forEach((total, label) => addTo(base, into, label, total / all));
  return { into, base };
}

/** How many times as probable another atlas makes each joint label, [cells, joint labels]. */
export function evidence({ prob, novel }: Opinion, { into, base }: Translation): Float64Array {
  const [nJoint, nLabels] = [base.length, prob.length / Math.max(novel.length, 1)];
  const found = new Float64Array(novel.length * nJoint);
  novel.forEach((isNovel, cell) => {
    const row = found.subarray(cell * nJoint, (cell + 1) * nJoint);
    for (let label = 0; label < nLabels; label++) addTo(row, into, label, prob[cell * nLabels + label]);
    const doubt = doubtOf(isNovel);
    for (let one = 0; one < nJoint; one++) {
      const said = base[one] > TINY ? row[one] / base[one] : 1;
      row[one] = Math.max((1 - doubt) * said + doubt, least.value);
    }
  });
  return found;
}

/** The joint probabilities, [cells, joint labels]: evidence is multiplied, each weighing less the
 * more atlases there are, and by the square of how well its atlas fits the query. */
export function together(
  first: Float64Array,
  others: readonly Float64Array[],
  fits: readonly number[],
  nJoint: number,
): Float64Array {
  const weights = weightsOf(fits);
  const joint = first.map((prob, i) => {
    const score = weights[0] * Math.log(Math.max(prob, TINY));
    return others.reduce((sum, one, at) => sum + weights[at + 1] * Math.log(one[i]), score);
  });
  for (let start = 0; start < joint.length; start += nJoint) normalise(joint.subarray(start, start + nJoint));
  return joint;
}

function weightsOf(fits: readonly number[]): number[] {
  const squares = fits.map((fit) => Math.max(fit, TINY) ** 2);
  const heard = squares.length ** (1 - shared.value) / squares.reduce((sum, one) => sum + one, 0);
  return squares.map((one) => one * heard);
}

/** Scores become probabilities, in place. */
function normalise(scores: Float64Array): void {
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  let total = 0;
  scores.forEach((score, i) => (total += scores[i] = Math.exp(score - most)));
  scores.forEach((one, i) => (scores[i] = one / total));
}

function doubtOf(isNovel: number): number {
  return isNovel ? strangeIfNovel.value : strange.value;
}

/** Add a row of a matrix, times a number. */
function addTo(sum: Float64Array, matrix: Float64Array, row: number, times: number): void {
  if (!times) return;
  const { length } = sum;
  for (let k = 0; k < length; k++) sum[k] += times * matrix[row * length + k];
}

/** Sums of the columns of a matrix with so many of them. */
export function columnSums(matrix: Float64Array, width: number): Float64Array {
  const sums = new Float64Array(width);
  matrix.forEach((value, at) => (sums[at % width] += value));
  return sums;
}
