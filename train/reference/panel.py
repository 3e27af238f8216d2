"""Which genes the atlas keeps: those that tell types, and highly variable ones."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.stats import rankdata
from skmisc.loess import loess

from cellport.kernels.moments import add_moments
from cellport.train.progress import OnCells, unwatched
from cellport.train.reference.chunks import SourceCounts, chunks
from cellport.train.reference.telling import TypeSums

# a batch smaller than this says little of variance; its cells count in the pooled ranking only
_SMALLEST_BATCH = 50
# more batches add nothing to a median of ranks, and a row of sums each
_MOST_BATCHES = 200


def select_panel(
    counts: sp.csr_matrix | SourceCounts,
    batch: NDArray[np.integer],
    n_genes: int = 2000,
    on_progress: OnCells = unwatched,
    keep: NDArray[np.integer] | None = None,
    label: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """Choose genes by variance-stabilised rank, batch by batch, and by what they tell of types.

    Of raw counts [cells, genes], which are read twice, and the batch of each cell. Returns the
    positions of the chosen genes, int64, ascending: all expressed ones where they are fewer. Those
    at the positions `keep` come first, as far as they are expressed; then, where the `label` of
    each cell is given, -1 for none, those that tell a label from all others: a gene of one rare
    type varies in no batch that lacks it, and one that leaks from a common type varies little
    for its mean. `on_progress` hears of up to twice the number of all cells.

    References
    ----------
    Stuart et al. 2019, Cell (Seurat v3): variance of counts standardised by the trend of
    variance on mean, clipped; median rank over batches.
    """
    group = _groups(batch)
    of_types = None if label is None else TypeSums(label, counts.shape[1])
    scores, expressed = standardised_variance(counts, group, on_progress, of_types)
    rank = rankdata(-scores, "ordinal", axis=1) - 1.0
    rank[rank >= n_genes] = np.nan
    chosen_in = np.isfinite(rank).sum(axis=0)
    median = _median_of_ranked(rank)

    best = np.lexsort((-scores.max(axis=0), -chosen_in, median))
    telling = None if of_types is None else of_types.telling(n_genes)
    for first in (telling, keep):
        if first is not None:
            kept = np.isin(best, first)
            best = np.concatenate([best[kept], best[~kept]])
    best = best[expressed[best]]
    return np.sort(best[:n_genes])


def _groups(batch: NDArray[np.integer]) -> NDArray[np.int64]:
    """Batch of each cell among those large enough, -1 for the others; one group if none is."""
    number = np.bincount(batch)
    large = np.argsort(-number, kind="stable")[:_MOST_BATCHES]
    large = np.sort(large[number[large] >= _SMALLEST_BATCH])
    if not len(large):
        return np.zeros(len(batch), np.int64)
    code = np.full(len(number), -1)
    code[large] = np.arange(len(large))
    return np.asarray(code[batch], np.int64)


def standardised_variance(
    counts: sp.csr_matrix | SourceCounts,
    group: NDArray[np.int64],
    on_progress: OnCells = unwatched,
    of_types: TypeSums | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Variance of each gene's counts over what its mean predicts, in each group of cells.

    Groups are int64 [cells], -1 for cells that count in none. Returns the scores, float64
    [groups, genes], and which genes any cell has, bool [genes]. `of_types` takes all counts in.
    """
    n_cells = np.bincount(group[group >= 0])[:, None].astype(np.float64)
    shape = len(n_cells), counts.shape[1]
    everything = np.full(shape, np.inf)
    total, square, expressed = _moments(counts, group, everything, on_progress, of_types)
    mean = total / n_cells
    # sums of whole numbers are exact, so that a constant gene leaves no residue
    degrees = np.maximum(n_cells - 1, 1)
    variance = (n_cells * square - total * total) / (n_cells * degrees)
    sd = np.ones(shape)
    varies = variance > 0
    for one in np.flatnonzero(varies.any(axis=1)):
        genes = varies[one]
        trend = _trend(np.log10(mean[one, genes]), np.log10(variance[one, genes]))
        sd[one, genes] = np.sqrt(10.0**trend)

    # clip each count at sqrt(n) standard deviations, as one cell must not make a gene
    highest = mean + sd * np.sqrt(n_cells)
    clipped = _moments(counts, group, highest, lambda done: on_progress(counts.shape[0] + done))
    spread = n_cells * mean**2 + clipped[1] - 2 * clipped[0] * mean
    return np.where(varies, spread / (degrees * sd**2), 0.0), expressed


def _moments(
    counts: sp.csr_matrix | SourceCounts,
    group: NDArray[np.int64],
    highest: NDArray[np.float64],
    on_progress: OnCells,
    of_types: TypeSums | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    total, square = np.zeros((2, *highest.shape))
    expressed = np.zeros(counts.shape[1], np.bool_)
    start = 0
    for some in chunks(counts, on_progress=on_progress):
        of_cell = group[start : start + some.shape[0]]
        add_moments(some.indptr, some.indices, some.data, of_cell, highest, total, square)
        expressed[some.indices] = True
        if of_types is not None:
            of_types.add(some)
        start += some.shape[0]
    return total, square, expressed


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
