"""How probable new types are beside the old ones, and what that leaves of the old answers.

An atlas's own answers stay as they are: a cell is of a new type with a probability of its own, and
what is left is shared out among the old labels as the atlas shares it. So no old label loses to
another old one, and none loses more than the new types take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from cellport.train.extend.linear import log_odds

# share of the drawn cells whose right label may be lost to a new type
_MAY_BE_LOST = 0.002
# how far new cells of an old type may move its log-density, where they are as many as the old ones
# without end: odds of e^2 against a type that has none
MOST_MOVED = 2.0
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Gate:
    """Features and latent, side by side, to the probabilities of old and new labels."""

    weight: NDArray[np.float64]  # [width, types], of the log-densities of old and new types
    bias: NDArray[np.float64]  # [types]
    n_old: int
    # [new types]: log-odds x against the old types become scale x + offset
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    # log-odds y above 0 become y / (1 + softness y), as the atlas does with its own
    softness: float
    # what new cells of old types change of the log-density of these, [width, old types] and
    # [old types], and how much at most, [old types]
    move_weight: NDArray[np.float64]
    move_bias: NDArray[np.float64]
    most_moved: NDArray[np.float64]

    @property
    def n_new(self) -> int:
        """Number of new types."""
        return len(self.scale)

    @property
    def moves(self) -> bool:
        """Whether new cells of old types change anything."""
        return bool(self.most_moved.any())

    def prob(self, at: NDArray[np.float64], old: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of all labels, float64 [cells, labels], of those of the old ones."""
        if self.moves:
            moved = at @ self.move_weight + self.move_bias
            old = old * np.exp(np.clip(moved, -self.most_moved, self.most_moved))
            old = old / old.sum(axis=1, keepdims=True)
        if not self.n_new:
            return old
        return joined(self.calibrated(log_odds(at, self.weight, self.bias, self.n_old)), old)

    def calibrated(self, odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrate log-odds float64 [cells, new types]."""
        return softened(self.scale * odds + self.offset, self.softness)


def softened(odds: NDArray[np.float64], softness: float) -> NDArray[np.float64]:
    """Soften log-odds above 0."""
    return odds / (1 + softness * np.maximum(odds, 0))


def joined(odds: NDArray[np.float64], old: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of all labels, of log-odds of the new ones and probabilities of the old."""
    top = np.maximum(odds.max(axis=1, keepdims=True), 0)
    new, known = np.exp(odds - top), np.exp(-top)
    total = known + new.sum(axis=1, keepdims=True)
    return np.column_stack([old * (known / total), new / total])


def fit_calibration(odds: NDArray[np.float64], is_type: NDArray[np.bool_]) -> tuple[float, float]:
    """Scale, at most 1, and offset that make log-odds float64 [cells] most likely.

    Cells of the type and all others, bool [cells], weigh alike. Both are judged by log-odds of fits
    that did not see them.

    References
    ----------
    Platt 1999, "Probabilistic outputs for support vector machines", with its targets, which keep
    few cells that are told apart perfectly from making probabilities of 1.
    """
    n = np.array([np.count_nonzero(~is_type), np.count_nonzero(is_type)])
    target = np.where(is_type, (n[1] + 1) / (n[1] + 2), 1 / (n[0] + 2))
    weight = np.where(is_type, 0.5 / n[1], 0.5 / n[0])

    def loss(x: NDArray[np.float64]) -> float:
        made = np.exp(x[0]) * odds + x[1]
        return float((weight * (np.logaddexp(0, made) - target * made)).sum())

    found = minimize(loss, [-1.0, 0.0], bounds=[(-6.0, 0.0), (-60.0, 60.0)], method="L-BFGS-B")
    return float(np.exp(found.x[0])), float(found.x[1])


def careful_offset(
    odds: NDArray[np.float64], scale: float, offset: float, best: NDArray[np.float64]
) -> float:
    """Lower an offset until hardly any drawn cell loses its right label to the new type.

    Of log-odds float64 [cells] of drawn cells whose best label is right, and its probability.
    """
    if not len(odds):
        return offset
    highest = np.log(np.maximum(best, _TINY)) - scale * odds
    return float(min(offset, np.quantile(highest, _MAY_BE_LOST, method="lower")))
