"""What held-out cells say of the label probabilities: how sure to be, and when to call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from cellport.models.calibrated import calibrated_probabilities
from cellport.runtime.label_tree import build_tree, call_deepest
from cellport.train.unseen import Unseen

# share of the cells whose label set is to hold their label
SET_LEVEL = 0.9
# share of the calls that are to be right, and the bounds of the threshold that makes them so
CALL_LEVEL = 0.9
CALL_BOUNDS = (0.5, 0.8)
# a label with fewer cells than this keeps them all for training
_SPARE = 10
# a label with fewer held-out cells than this takes its set threshold from all labels together
_OWN_THRESHOLD = 50
_LEAST_SHARPNESS = 0.1
# where there is one batch: what references of several batches come to, as a rule
_USUAL_SHARPNESS = 0.7


@dataclass(frozen=True, slots=True)
class Calibration:
    """How logits become probabilities.

    Attributes
    ----------
    temperature, sharpness
        As `calibrated_probabilities` takes them.
    """

    temperature: float = 1.0
    sharpness: float = 1.0

    def prob(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """Calibrated probabilities, float32 [cells, labels]."""
        tensor = torch.from_numpy(np.ascontiguousarray(logits, np.float32))
        return calibrated_probabilities(tensor, self.temperature, self.sharpness).numpy()


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


def calibrate(
    logits: NDArray[np.floating], label: NDArray[np.int64], unseen: Unseen | None
) -> Calibration:
    """Fit the calibration.

    The temperature comes from held-out cells of the batches the model knows. Cells of batches
    that a model did not know say how much too sure the best label still is; as those models
    had fewer batches to learn from than the one that travels, it goes half of that way, in
    the logarithm.

    Parameters
    ----------
    logits
        float [cells, labels], of the model that travels, for cells held out of its training.
    label
        int64 [cells], -1 where unknown.
    unseen
        Answers for cells of unseen batches; None where there is one batch.
    """
    temperature = fit_temperature(logits, label)
    if unseen is None:
        return Calibration(temperature, _USUAL_SHARPNESS)
    prob = Calibration(temperature).prob(unseen.logits)
    right = prob.argmax(axis=1) == unseen.label
    sharpness = fit_sharpness(prob.max(axis=1), right, balanced(unseen.group))
    return Calibration(temperature, float(np.sqrt(sharpness)))


def fit_temperature(logits: NDArray[np.floating], label: NDArray[np.int64]) -> float:
    """Temperature that makes held-out probabilities most likely, between 1 and 10.

    Never below 1: cells of the same batches as the reference are easier than any query, and
    must not make it surer of itself.

    Parameters
    ----------
    logits
        float [cells, labels].
    label
        int64 [cells]; cells with -1 are left out.

    References
    ----------
    Guo et al. 2017, ICML, "On calibration of modern neural networks".
    """
    known = label >= 0
    if known.sum() < 2 * _SPARE:
        return 1.0
    logits, target = np.asarray(logits[known], dtype=np.float64), label[known]

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(target)), target].mean())

    best = minimize_scalar(loss, bounds=(0.0, np.log(10.0)), method="bounded")
    return float(np.exp(best.x))


def fit_sharpness(
    prob: NDArray[np.floating], right: NDArray[np.bool_], weight: NDArray[np.floating]
) -> float:
    """Factor on the log-odds of best labels that makes them most likely, between 0.1 and 1.

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
    if above.sum() < 2 * _SPARE:
        return 1.0
    inside = np.clip(prob[above].astype(np.float64), 0, 1 - 1e-7)
    odds = np.where(right[above], 1, -1) * np.log(inside / (1 - inside))

    def loss(sharpness: float) -> float:
        return float((weight[above] * np.logaddexp(0, -sharpness * odds)).sum())

    best = minimize_scalar(loss, bounds=(_LEAST_SHARPNESS, 1.0), method="bounded")
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
