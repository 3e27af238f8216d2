"""Which cells are held out, and what they say of the label probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

# a label with fewer cells than this keeps them all for training
_SPARE = 10


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
