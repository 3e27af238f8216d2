"""The linear features of the genes that the encoder reads: fixed before it is trained."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from cellport.models.feature_layout import FeatureLayout
from cellport.models.normalise import PanelNormaliser
from cellport.train.cells import PanelCounts, TrainingCells, evenly
from cellport.train.degrade import thin
from cellport.train.features.discriminants import (
    CAUTION,
    inverse_covariance_times,
    of_unit_variance,
)
from cellport.train.features.log_normalise import label_means
from cellport.train.features.normaliser import fit_normaliser

# counts of the panel in a shallow cell, and how many cells are looked at as such
_SHALLOW = 300
_MOST_SHALLOW = 20_000


class Basis(NamedTuple):
    """Linear features of the genes."""

    layout: FeatureLayout
    weights: torch.Tensor  # float32 [genes, features], of centred values


def fit_basis(normaliser: PanelNormaliser, cells: TrainingCells) -> Basis:
    """Weights of the genes in the features; labels of held-out cells are not looked at.

    Factor scores are what the factor model of the reference (`cellport.train.features.factors`)
    makes of a cell. A discriminant points from the reference's mean to that of a label, where
    genes that the factors foretell badly count less: linear discriminant analysis whose
    covariance is that of the factor model with five times its noise. Both are there twice, the
    second time as the same cells thinned to 300 counts have them: what tells deep cells apart is
    noise in shallow ones. Each feature has about unit variance; it is zero where a label has no
    cell, or is the only one.

    References
    ----------
    Thomson 1939, "The factorial analysis of human ability" (regression scores). Friedman 1989,
    JASA, "Regularized discriminant analysis".
    """
    label = cells.label.copy()
    label[cells.held_out] = -1
    scores, discriminants = _weights(normaliser, cells.counts, label, cells.n_labels)
    shallow, label = _thinned(cells.counts, label)
    of_shallow = _weights(fit_normaliser(shallow), shallow, label, cells.n_labels)
    layout = FeatureLayout(scores.shape[1], cells.n_labels, of_shallow[0].shape[1])
    weights = np.empty((len(scores), layout.n_features))
    weights[:, layout.scores], weights[:, layout.discriminants] = scores, discriminants
    weights[:, layout.shallow_scores], weights[:, layout.shallow_discriminants] = of_shallow
    # variances as the factor model has them, which need no pass over the cells
    loading, noise = (
        part.numpy().astype(np.float64) for part in (normaliser.loading, normaliser.noise)
    )
    weights = of_unit_variance(weights, loading, noise)
    return Basis(layout, torch.from_numpy(weights.astype(np.float32)))


def _thinned(
    counts: PanelCounts, label: NDArray[np.int64]
) -> tuple[sp.csr_matrix, NDArray[np.int64]]:
    """Take cells of each label, with no more than 300 counts, as a poor query has them."""
    by_label = np.argsort(label, kind="stable")
    rows = np.sort(by_label[evenly(counts.shape[0], _MOST_SHALLOW)])
    thinned = counts[rows]
    library = np.asarray(thinned.sum(axis=1), dtype=np.float64).ravel()
    kept = np.minimum(_SHALLOW / np.maximum(library, 1.0), 1.0)
    thinned.data = thin(thinned, kept, np.random.default_rng(0)).astype(np.float32)
    return thinned, label[rows]


def _weights(
    normaliser: PanelNormaliser, counts: PanelCounts, label: NDArray[np.int64], n_labels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of centred values in factor scores and discriminants, [genes, ...] each."""
    sd = normaliser.sd.numpy().astype(np.float64)[:, np.newaxis]
    loading = normaliser.loading.numpy() / sd
    noise = normaliser.noise.numpy() / sd.ravel() ** 2
    scores = inverse_covariance_times(loading, loading, noise)
    profiles = _profiles(normaliser, counts, label, n_labels)
    discriminants = inverse_covariance_times(profiles, loading, CAUTION * noise)
    return scores / sd, discriminants / sd


def _profiles(
    normaliser: PanelNormaliser, counts: PanelCounts, label: NDArray[np.int64], n_labels: int
) -> NDArray[np.float64]:
    """Mean standardised values of each label, [genes, labels]; 0 is the reference's mean."""
    seen = np.unique(label[label >= 0])
    profiles = np.zeros((counts.shape[1], n_labels))
    if len(seen) > 1:
        mean, sd, cap = (part.numpy() for part in (normaliser.mean, normaliser.sd, normaliser.cap))
        means = label_means(counts, label, n_labels, normaliser.target_sum, cap)
        profiles[:, seen] = ((means[seen] - mean) / sd).T
    return profiles
