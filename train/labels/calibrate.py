"""What held-out cells say of the label probabilities: how sure to be, and when to call."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from cellport.models.calibrated import calibrated_probabilities
from cellport.runtime.atlas.label_tree import build_tree, call_deepest
from cellport.train.labels.left_out import LeftOutAnswers

# share of the cells whose label set is to hold their label, at least
SET_LEVEL = 0.9
# share of the calls that are to be right, and the bounds of the threshold that makes them so
CALL_LEVEL = 0.9
CALL_BOUNDS = (0.5, 0.8)
# a label with fewer cells than this keeps them all for training
_SPARE = 10
# so many cells that a twentieth of them are enough to judge by
_MANY = 1000
# a label with fewer held-out cells than this takes its set threshold from all labels together
_OWN_THRESHOLD = 50
# answers fewer than this do not tell how soft probabilities should be
_FEWEST_JUDGES = 20
_MOST_SOFTNESS = 1.0
# what left-out technologies and studies ask for, as a rule
_USUAL_SOFTNESS = 0.1


@dataclass(frozen=True, slots=True)
class Calibration:
    """How logits become probabilities.

    Attributes
    ----------
    softness
        As `calibrated_probabilities` takes it.
    """

    softness: float = 0.0

    def prob(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """Calibrated probabilities, float32 [cells, labels]."""
        tensor = torch.from_numpy(np.ascontiguousarray(logits, np.float32))
        return calibrated_probabilities(tensor, self.softness).numpy()


def hold_out(label: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose cells to keep out of training, the same share of every label.

    Parameters
    ----------
    label
        int64 [cells], -1 where unknown (a group like any other).
    share
        Share of the cells of each label with at least 10 cells.
    rng
        Source of randomness.

    Returns
    -------
    ndarray of int64
        Rows, ascending; empty when the reference is too small to spare any.
    """
    chosen = []
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        if len(rows) >= _SPARE:
            chosen.append(rng.choice(rows, round(share * len(rows)), replace=False))
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def held_out_share(n_cells: int) -> float:
    """Share of the cells to keep out of training: a twentieth, or of fewer than 1,000 a tenth."""
    return 0.05 if n_cells >= _MANY else 0.1


def calibrate(left_out: LeftOutAnswers | None) -> Calibration:
    """Fit the calibration to cells of batches that a model did not know, whole and degraded.

    Cells of the batches that a model knows are no judges: they are easier than any query. So
    may be a batch that was left out, where all are donors of one study; the softness is the
    mean of what left-out batches ask for and of what is usual.

    Parameters
    ----------
    left_out
        Answers for cells of batches that were left out; None where there is one batch.
    """
    if left_out is None:
        return Calibration(_USUAL_SOFTNESS)
    prob = Calibration().prob(left_out.logits)
    right = prob.argmax(axis=1) == left_out.label
    asked = fit_softness(prob.max(axis=1), right, balanced(left_out.group))
    return Calibration((asked + _USUAL_SOFTNESS) / 2)


def fit_softness(
    prob: NDArray[np.floating], right: NDArray[np.bool_], weight: NDArray[np.floating]
) -> float:
    """Softness that makes best labels most likely, between 0 and 1.

    Parameters
    ----------
    prob
        float [cells], of the best label; only those above one half count.
    right
        bool [cells], whether it is the true one.
    weight
        float [cells].
    """
    above = prob > 0.5
    if above.sum() < _FEWEST_JUDGES:
        return _USUAL_SOFTNESS
    inside = np.clip(prob[above].astype(np.float64), 0, 1 - 1e-7)
    odds = np.log(inside / (1 - inside))
    sign = np.where(right[above], -1.0, 1.0)

    def loss(softness: float) -> float:
        softened = odds / (1 + softness * odds)
        return float((weight[above] * np.logaddexp(0, sign * softened)).sum())

    best = minimize_scalar(loss, bounds=(0.0, _MOST_SOFTNESS), method="bounded")
    return float(best.x)


def balanced(group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights that give every group the same total, float64 [cells]."""
    return 1 / np.bincount(group)[group]


def set_thresholds(
    prob: NDArray[np.floating], label: NDArray[np.int64], level: float = SET_LEVEL
) -> tuple[float, ...]:
    """Least probability at which each label enters a cell's label set.

    Split conformal prediction with one threshold a label where it has cells enough, so that
    `level` of the cells of that label have it in their set, if they are exchangeable with
    those given here.

    Parameters
    ----------
    prob
        float [cells, labels], calibrated, of held-out cells.
    label
        int64 [cells], their labels.
    level
        Share of the cells whose set is to hold their label.

    References
    ----------
    Sadinle, Lei and Wasserman 2019, JASA, "Least ambiguous set-valued classifiers with
    bounded error levels"; Vovk 2012, "Conditional validity of inductive conformal predictors"
    (a threshold a label).
    """
    own = prob[np.arange(len(label)), label]
    pooled = _lowest(own, level)
    return tuple(
        _lowest(own[label == code], level) if (label == code).sum() >= _OWN_THRESHOLD else pooled
        for code in range(prob.shape[1])
    )


def reached_level(prob: NDArray[np.floating], label: NDArray[np.int64]) -> float:
    """Share of cells whose set holds their label, in whole percent: what an atlas may promise.

    That for which thresholds are set, or more where the best label, which every set holds, is
    right more often by itself.

    Parameters
    ----------
    prob
        float [cells, labels], of held-out cells.
    label
        int64 [cells], their labels.
    """
    right = float((prob.argmax(axis=1) == label).mean())
    return max(SET_LEVEL, math.floor(100 * right) / 100)


def _lowest(own: NDArray[np.floating], level: float) -> float:
    """Value that all but ``1 - level`` of the values reach, counted as for one value more."""
    rank = int(np.floor((len(own) + 1) * (1 - level)))
    return float(np.sort(own)[rank - 1]) if rank else 0.0


def call_threshold(
    prob: NDArray[np.floating],
    label: NDArray[np.int64],
    labels: tuple[str, ...],
    parents: dict[str, str],
    level: float = CALL_LEVEL,
) -> float:
    """Least probability, between 0.5 and 0.8, at which `level` of the calls are right.

    A call of a group is right when the cell's label is in it.

    Parameters
    ----------
    prob
        float [cells, labels], calibrated, of held-out cells.
    label
        int64 [cells], their labels.
    labels, parents
        The label tree.
    level
        Share of the calls that are to be right.
    """
    tree = build_tree(labels, parents)
    rows = np.arange(len(label))
    member = np.column_stack([tree.members[label], np.zeros(len(label))])
    for threshold in np.arange(CALL_BOUNDS[0], CALL_BOUNDS[1], 0.01):
        called = call_deepest(tree, prob.astype(np.float32), float(threshold))
        made = called < len(tree.nodes)
        if not made.any() or member[rows, called][made].mean() >= level:
            return round(float(threshold), 2)
    return CALL_BOUNDS[1]
