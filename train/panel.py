"""Which genes the atlas keeps: highly variable in many batches."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from skmisc.loess import loess

# a batch smaller than this says little of variance; its cells count in the pooled ranking only
_SMALLEST_BATCH = 50


def select_panel(
    counts: sp.csr_matrix, batch: NDArray[np.integer], n_genes: int = 2000
) -> NDArray[np.int64]:
    """Choose genes by variance-stabilised rank, batch by batch.

    Parameters
    ----------
    counts
        [cells, genes], raw counts.
    batch
        int [cells], batch of each cell.
    n_genes
        How many to keep; all expressed genes when there are fewer.

    Returns
    -------
    ndarray of int64
        Positions of the chosen genes, ascending.

    References
    ----------
    Stuart et al. 2019, Cell (Seurat v3): variance of counts standardised by the trend of
    variance on mean, clipped; median rank over batches.
    """
    groups = [np.flatnonzero(batch == b) for b in np.unique(batch)]
    groups = [rows for rows in groups if len(rows) >= _SMALLEST_BATCH]
    if not groups:
        groups = [np.arange(counts.shape[0])]
    scores = np.stack([standardised_variance(counts[rows]) for rows in groups])

    order = np.argsort(-scores, axis=1, kind="stable")
    rank = np.empty(scores.shape)
    np.put_along_axis(rank, order, np.arange(scores.shape[1], dtype=float)[None, :], axis=1)
    rank[rank >= n_genes] = np.nan
    chosen_in = np.isfinite(rank).sum(axis=0)
    median = _median_of_ranked(rank)

    best = np.lexsort((-scores.max(axis=0), -chosen_in, median))
    expressed = counts.max(axis=0).toarray().ravel() > 0
    best = best[expressed[best]]
    return np.sort(best[:n_genes])


def standardised_variance(counts: sp.csr_matrix) -> NDArray[np.float64]:
    """Variance of each gene's counts over what its mean predicts, float64 [genes]."""
    n_cells, n_genes = counts.shape
    columns = counts.tocsc().astype(np.float64)
    of_gene = np.repeat(np.arange(n_genes), np.diff(columns.indptr))
    mean = np.bincount(of_gene, columns.data, minlength=n_genes) / n_cells
    # around the mean: squares of a constant gene would leave a residue that bends the trend
    square = np.bincount(of_gene, (columns.data - mean[of_gene]) ** 2, minlength=n_genes)
    square = square + (n_cells - np.diff(columns.indptr)) * mean**2
    variance = square / max(n_cells - 1, 1)

    score = np.zeros(n_genes)
    varies = variance > 0
    if not varies.any():
        return score
    sd = np.ones(n_genes)
    trend = _trend(np.log10(mean[varies]), np.log10(variance[varies]))
    sd[varies] = np.sqrt(10.0**trend)

    # clip each count at sqrt(n) standard deviations, as one cell must not make a gene
    highest = mean + sd * np.sqrt(n_cells)
    clipped = np.minimum(columns.data, highest[of_gene])
    total = np.bincount(of_gene, clipped, minlength=n_genes)
    total_square = np.bincount(of_gene, clipped**2, minlength=n_genes)
    spread = n_cells * mean**2 + total_square - 2 * total * mean
    score[varies] = (spread / (max(n_cells - 1, 1) * sd**2))[varies]
    return score


def _trend(log_mean: NDArray[np.float64], log_variance: NDArray[np.float64]) -> NDArray[np.float64]:
    # local regression fails where too few genes share a neighbourhood; a parabola never does
    if len(log_mean) >= 100:
        try:
            fit = loess(log_mean, log_variance, span=0.3, degree=2)
            fit.fit()
            fitted = np.asarray(fit.outputs.fitted_values)
            if np.isfinite(fitted).all():
                return fitted
        except ValueError:
            pass
    degree = min(2, len(np.unique(log_mean)) - 1)
    return np.asarray(np.polyval(np.polyfit(log_mean, log_variance, degree), log_mean))


def _median_of_ranked(rank: NDArray[np.float64]) -> NDArray[np.float64]:
    ranked = np.isfinite(rank).any(axis=0)
    median = np.full(rank.shape[1], np.inf)
    median[ranked] = np.nanmedian(rank[:, ranked], axis=0)
    return median
