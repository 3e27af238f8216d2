"""The linear features of the genes that the encoder reads: fixed before it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from cellport.models.normalise import PanelNormaliser
from cellport.train.log_normalise import label_means

if TYPE_CHECKING:
    from cellport.train.fit import TrainingCells

# a discriminant that took the factor model at its word would follow the reference's noise
_CAUTION = 5.0
_TINY = 1e-9


def fit_basis(normaliser: PanelNormaliser, cells: TrainingCells) -> torch.Tensor:
    """Weights of the standardised genes in the features: factor scores, then discriminants.

    Factor scores are what the factor model of the reference (`cellport.train.factors`) makes of
    a cell. A discriminant points from the reference's mean to that of a label, where genes that
    the factors foretell badly count less: linear discriminant analysis whose covariance is that
    of the factor model with five times its noise.

    Parameters
    ----------
    normaliser
        Of the reference, with its factor model.
    cells
        The reference; held-out cells are not looked at.

    Returns
    -------
    Tensor
        float32 [genes, factors + labels], each feature of about unit variance; zeros where a
        label has no cell, or is the only one.

    References
    ----------
    Thomson 1939, "The factorial analysis of human ability" (regression scores). Friedman 1989,
    JASA, "Regularized discriminant analysis".
    """
    sd = normaliser.sd.numpy().astype(np.float64)
    loading = normaliser.loading.numpy() / sd[:, np.newaxis]
    noise = normaliser.noise.numpy() / sd**2
    scores = _inverse_covariance_times(loading, loading, noise)
    profiles = _profiles(normaliser, cells)
    discriminants = _inverse_covariance_times(profiles, loading, _CAUTION * noise)
    basis = np.concatenate([scores, discriminants], axis=1)
    # variances as the factor model has them, which need no pass over the cells
    variance = ((loading.T @ basis) ** 2).sum(axis=0) + noise @ basis**2
    basis /= np.sqrt(np.where(variance > _TINY, variance, 1.0))
    return torch.from_numpy(basis.astype(np.float32))


def _profiles(normaliser: PanelNormaliser, cells: TrainingCells) -> NDArray[np.float64]:
    """Mean standardised values of each label, [genes, labels]; 0 is the reference's mean."""
    label = cells.label.copy()
    label[cells.held_out] = -1
    seen = np.unique(label[label >= 0])
    profiles = np.zeros((cells.counts.shape[1], cells.n_labels))
    if len(seen) > 1:
        mean, sd, cap = (part.numpy() for part in (normaliser.mean, normaliser.sd, normaliser.cap))
        means = label_means(cells.counts, label, cells.n_labels, normaliser.target_sum, cap)
        profiles[:, seen] = ((means[seen] - mean) / sd).T
    return profiles


def _inverse_covariance_times(
    right: NDArray[np.float64], loading: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Solve (loading loading' + diag(noise)) x = right, by Woodbury's identity."""
    weighted = loading / noise[:, np.newaxis]
    system = np.eye(loading.shape[1]) + weighted.T @ loading
    plain = right / noise[:, np.newaxis]
    solved: NDArray[np.float64] = plain - weighted @ np.linalg.solve(system, loading.T @ plain)
    return solved
