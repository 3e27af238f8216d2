"""Linear discriminant analysis of old and new types, and how far cells are from a type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

# of the mean variance, added to each: from .003 to .3 nothing changes on the pancreas and the PBMC
_RIDGE = 0.03
# so that a distance has a gradient where it is none
LEAST_SQUARE = 1e-6


@dataclass(frozen=True, slots=True)
class Measured:
    """Cells in the coordinates in which types are told apart: features, then the latent."""

    at: NDArray[np.float64]  # [cells, width]
    # int64 [cells], types: the old labels in their order, then the new ones
    code: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Types:
    """Normal distributions of types with one covariance."""

    mean: NDArray[np.float64]  # [types, width]
    within: NDArray[np.float64]  # [width, width], with its ridge

    @property
    def weight(self) -> NDArray[np.float64]:
        """Of each coordinate in the log-density of each type, [width, types]."""
        return np.asarray(np.linalg.solve(self.within, self.mean.T), np.float64)

    @property
    def bias(self) -> NDArray[np.float64]:
        """What is added to it, [types]."""
        return np.asarray(-0.5 * (self.mean.T * self.weight).sum(axis=0))


def fit_types(drawn: Measured, new: Measured, old_cells: NDArray[np.int64], n_types: int) -> Types:
    """Fit the types to drawn cells of the old ones and to new cells of old and new ones.

    An old type's mean is that of all its cells, old ones (int64 [old types], how many) and new
    ones; its covariance has the new ones too, so what a new batch does to known types is taken for
    what varies within them.
    """
    drawn_mean, new_mean = _means(drawn, n_types), _means(new, n_types)
    n_old = np.zeros(n_types)
    n_old[: len(old_cells)] = old_cells
    n_new = np.bincount(new.code, minlength=n_types)
    share = (n_new / np.maximum(n_old + n_new, 1))[:, np.newaxis]
    mean = (1 - share) * drawn_mean + share * new_mean
    away = np.concatenate([drawn.at - drawn_mean[drawn.code], new.at - mean[new.code]])
    within = away.T @ away / len(away)
    ridge = _RIDGE * within.trace() / len(within) * np.eye(len(within))
    return Types(mean, np.asarray(within + ridge, np.float64))


def moved(types: Types, drawn: Measured, n_old: int) -> tuple[NDArray[np.float64], ...]:
    """Return what new cells of old types change of the log-density of each: weight and bias.

    float64 [width, old types] and [old types], 0 for a type without new cells.
    """
    before = Types(_means(drawn, n_old), types.within)
    return types.weight[:, :n_old] - before.weight, types.bias[:n_old] - before.bias


def log_odds(
    at: NDArray[np.float64], weight: NDArray[np.float64], bias: NDArray[np.float64], n_old: int
) -> NDArray[np.float64]:
    """Log-odds of each new type against all old ones together, float64 [cells, new types]."""
    density = at @ weight + bias
    odds: NDArray[np.float64] = density[:, n_old:] - logsumexp(
        density[:, :n_old], axis=1, keepdims=True
    )
    return odds


def whitening(types: Types) -> NDArray[np.float64]:
    """Coordinates in which types are round and of variance 1 / width, [width, width]."""
    half = np.linalg.cholesky(types.within)
    inverse: NDArray[np.float64] = np.linalg.inv(half).T / np.sqrt(len(half))
    return inverse


def distance(
    at: NDArray[np.float64], axes: NDArray[np.float64], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance of cells from centres, both in whitened coordinates, float64 [cells, centres]."""
    apart = (at @ axes)[:, np.newaxis] - centre
    return np.asarray(np.sqrt(LEAST_SQUARE + np.square(apart).sum(axis=2)))


def _means(cells: Measured, n_types: int) -> NDArray[np.float64]:
    """Mean of each type, 0 for one without cells."""
    total = np.zeros((n_types, cells.at.shape[1]))
    np.add.at(total, cells.code, cells.at)
    return total / np.maximum(np.bincount(cells.code, minlength=n_types), 1)[:, np.newaxis]
