"""Genes that tell a type from all others, whatever their variance."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.train.features.log_normalise import log_normalised

# genes of each type, and the share of the panel that they may be together: 5 to 20 do as well
# (`benchmarks.accuracy.telling`), and what varies within types is needed too
_EACH, _SHARE = 10, 0.2
# difference of mean log-normalised values below which a gene tells nothing
_LEAST = 0.1
# a type of fewer cells is told by whatever these few have
_FEWEST_CELLS = 5


class TypeSums:
    """Sums of log-normalised values over the cells of each type, gathered block by block."""

    def __init__(self, label: NDArray[np.integer], n_genes: int) -> None:
        """Labels are int [cells], -1 for cells without one."""
        self._label = label
        self._total = np.zeros((int(label.max(initial=-1)) + 1, n_genes))
        self._done = 0

    def add(self, counts: sp.csr_matrix) -> None:
        """Take in the counts [cells, genes] of the next cells."""
        n_cells = counts.shape[0]
        label = self._label[self._done : self._done + n_cells]
        self._done += n_cells
        rows = np.flatnonzero(label >= 0)
        shape = len(self._total), n_cells
        of_type = sp.csr_matrix((np.ones(len(rows)), (label[rows], rows)), shape)
        sums = (of_type @ log_normalised(counts, LIBRARY)).tocoo()
        self._total[sums.row, sums.col] += sums.data

    def telling(self, n_genes: int) -> NDArray[np.int64]:
        """Return genes that tell a type from all others, int64, for a panel of so many genes.

        Of each type those whose mean is most above that of the type that is next to it in the
        gene, at most ten; a fifth of the panel together, the first of each type first.
        """
        cells = np.bincount(self._label[self._label >= 0], minlength=len(self._total))
        types = np.flatnonzero(cells >= _FEWEST_CELLS)
        if len(types) < 2:
            return np.empty(0, np.int64)
        mean = self._total[types] / cells[types, np.newaxis]
        above = mean - np.partition(mean, -2, axis=0)[-2]
        best = np.argsort(-above, axis=1, kind="stable")[:, :_EACH]
        tells = np.take_along_axis(above, best, axis=1) > _LEAST
        by_rank = best.T[tells.T]
        _, first = np.unique(by_rank, return_index=True)
        return by_rank[np.sort(first)][: round(_SHARE * n_genes)].astype(np.int64)
