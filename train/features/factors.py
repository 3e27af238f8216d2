"""Learn how the panel genes go together: the encoder reads that, and missing genes follow it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, svds

from cellport.models.normalise import CLIP
from cellport.train.cells import PanelCounts, evenly
from cellport.train.features.log_normalise import log_normalised

# of a large reference, so many cells are looked at
_MOST_CELLS = 20_000
_MOST_FACTORS = 50
# a factor needs a few cells and genes to be more than their noise
_CELLS_A_FACTOR = 5
_GENES_A_FACTOR = 3
# of a gene's variance: a gene that factors explain wholly would rule those that are missing
_LEAST_NOISE = 0.05


def fit_factors(
    counts: PanelCounts, mean: NDArray[np.float64], sd: NDArray[np.float64], target_sum: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit a factor model to the genes, log-normalised to a sum and centred.

    Of raw counts [cells, genes], and mean and standard deviation of their log-normalised values.
    Returns the loading, float32 [genes, factors], in the units of the values, and the variance
    that the factors leave, float32 [genes], above 0.

    References
    ----------
    Tipping and Bishop 1999, J. R. Stat. Soc. B, "Probabilistic principal component analysis":
    the loadings. The noise is what they leave of each gene.
    """
    n_cells, n_genes = counts.shape
    chosen = evenly(n_cells, _MOST_CELLS)
    values = log_normalised(counts[chosen], target_sum)
    cap = mean + CLIP * sd
    values.data = np.minimum(values.data, cap[values.indices]) / sd[values.indices]
    offset = mean / sd
    n_factors = min(_MOST_FACTORS, len(chosen) // _CELLS_A_FACTOR, n_genes // _GENES_A_FACTOR)
    square, middle = (
        np.asarray(part.mean(axis=0)).ravel() for part in (values.multiply(values), values)
    )
    variance = square - 2 * offset * middle + offset**2
    if n_factors < 1 or not variance.sum() > 0:
        return np.zeros((n_genes, 1), np.float32), (sd**2).astype(np.float32)
    # the cells stay sparse: their mean is taken off after each product
    centred = LinearOperator(
        values.shape,
        matvec=lambda x: values @ x.ravel() - offset @ x.ravel(),
        rmatvec=lambda x: values.T @ x.ravel() - offset * x.sum(),
        dtype=np.float64,
    )
    start = np.random.default_rng(0).normal(size=min(values.shape))
    _, size, axes = svds(centred, k=n_factors, v0=start)
    explained = size**2 / len(chosen)
    left = max(variance.sum() - explained.sum(), 0.0) / (n_genes - n_factors)
    loading = axes.T * np.sqrt(np.maximum(explained - left, 0.0))
    # svds leaves the signs open
    loading *= np.where(loading.sum(axis=0) < 0, -1.0, 1.0)
    noise = np.maximum(variance - (loading**2).sum(axis=1), _LEAST_NOISE)
    return (loading * sd[:, None]).astype(np.float32), (noise * sd**2).astype(np.float32)
