"""Counts of a query's block as counts of the panel's genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import scipy.sparse as sp

    from cellport.runtime.sources.block import CountBlock


def query_counts(counts: CountBlock, n_query_genes: int) -> sp.csr_matrix:
    """Return a block's counts as CSR [cells, query genes]."""
    import scipy.sparse as sp

    shape = counts.n_cells, n_query_genes
    return sp.csr_matrix((counts.data, counts.indices, counts.indptr), shape)


def panel_counts(
    counts: sp.csr_matrix, panel_column: NDArray[np.int32], n_genes: int, scale: float
) -> sp.csr_matrix:
    """Normalise counts over the panel genes of a query.

    Parameters
    ----------
    counts
        CSR [n, query genes], raw counts.
    panel_column
        int32 [query genes], position in the panel or -1.
    n_genes
        Of the panel.
    scale
        Counts per cell after normalisation: of all panel genes, times the share of a reference
        cell's counts that the measured genes hold.

    Returns
    -------
    csr_matrix
        [n, panel genes]; rows of cells without counts are empty.
    """
    import scipy.sparse as sp

    used = np.flatnonzero(panel_column >= 0)
    ones = np.ones(len(used), np.float32)
    place = sp.csr_matrix((ones, (used, panel_column[used])), (len(panel_column), n_genes))
    values = (counts @ place).tocsr()
    values.sum_duplicates()
    library = np.maximum(np.asarray(values.sum(axis=1)).ravel(), 1e-6)
    values.data = values.data * np.repeat(scale / library, np.diff(values.indptr))
    return values
