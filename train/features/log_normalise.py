"""Raw counts to log-normalised values, as the encoder sees them, for what is measured on them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.train.cells import PanelCounts, TrainingCells

# cells at a time: some 100 MB of values
_CHUNK = 20_000


def log_normalised(counts: sp.csr_matrix, target_sum: float) -> sp.csr_matrix:
    """Scale raw counts [cells, genes] to `target_sum` in each cell and take log1p, float64 [same].

    A copy; a cell without counts stays empty.
    """
    values = counts.astype(np.float64)
    library = np.maximum(np.asarray(values.sum(axis=1)).ravel(), 1e-6)
    values.data = np.log1p(values.data * np.repeat(target_sum / library, np.diff(values.indptr)))
    return values


def label_means(
    counts: PanelCounts,
    label: NDArray[np.int64],
    n_labels: int,
    target_sum: float,
    cap: NDArray[np.floating] | float = np.inf,
) -> NDArray[np.float64]:
    """Mean log-normalised values, up to a cap, of the cells of each label, float64 [labels, genes].

    Cells of label -1 count nowhere; a label without cells has zeros.
    """
    rows = np.flatnonzero(label >= 0)
    cap = np.broadcast_to(cap, counts.shape[1])
    total = np.zeros((n_labels, counts.shape[1]))
    for start in range(0, len(rows), _CHUNK):
        some = rows[start : start + _CHUNK]
        values = log_normalised(counts[some], target_sum)
        values.data = np.minimum(values.data, cap[values.indices])
        n = len(some)
        total += sp.csr_matrix((np.ones(n), (label[some], np.arange(n))), (n_labels, n)) @ values
    n_cells = np.bincount(label[rows], minlength=n_labels)
    # to add a sparse matrix to an array makes a numpy matrix of it
    return np.asarray(total) / np.maximum(n_cells, 1)[:, np.newaxis]


def label_profiles(cells: TrainingCells) -> NDArray[np.float32]:
    """Mean log-normalised profile (10,000 counts a cell) of each label, float32 [labels, genes].

    Without labels there is one row, the mean of all cells.
    """
    label = cells.label if cells.n_labels else np.zeros_like(cells.label)
    return label_means(cells.counts, label, max(1, cells.n_labels), LIBRARY).astype(np.float32)
