"""Linear algebra of a factor model: what genes tell of a group of cells, given all the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# a discriminant that took the factor model at its word would follow the reference's noise
CAUTION = 5.0
_TINY = 1e-9


def inverse_covariance_times(
    right: NDArray[np.float64], loading: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Solve (loading loading' + diag(noise)) x = right, by Woodbury's identity.

    Of float64 [genes, columns], [genes, factors] and [genes]; what returns is [genes, columns].
    """
    weighted = loading / noise[:, np.newaxis]
    system = np.eye(loading.shape[1]) + weighted.T @ loading
    plain = right / noise[:, np.newaxis]
    solved: NDArray[np.float64] = plain - weighted @ np.linalg.solve(system, loading.T @ plain)
    return solved


def of_unit_variance(
    weights: NDArray[np.float64], loading: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scale weights [genes, features] so that the factor model gives each feature variance 1."""
    variance = ((loading.T @ weights) ** 2).sum(axis=0) + noise @ weights**2
    scaled: NDArray[np.float64] = weights / np.sqrt(np.where(variance > _TINY, variance, 1.0))
    return scaled
