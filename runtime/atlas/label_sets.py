"""Which labels a cell may well have, by their probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def within_mass(prob: NDArray[np.floating], mass: float) -> NDArray[np.bool_]:
    """Whether each label is in the set of each cell, bool [cells, labels].

    Labels are, the most probable first, until their probabilities, float [cells, labels], add up to
    `mass`. A least probability for each label, fitted to held-out cells, makes sets that are as
    large on whole cells and hold the true label of shallow ones too rarely: what is far from sure
    may be spread over many labels, none of which reaches it.

    References
    ----------
    Romano, Sesia and Candes 2020, NeurIPS, "Classification with valid and adaptive coverage".
    """
    order = np.argsort(-prob, axis=1, kind="stable")
    ranked = np.take_along_axis(prob, order, axis=1)
    before = np.cumsum(ranked, axis=1, dtype=np.float64) - ranked
    within = np.zeros(prob.shape, np.bool_)
    np.put_along_axis(within, order, before < mass, axis=1)
    return within
