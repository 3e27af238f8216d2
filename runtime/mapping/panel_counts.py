"""Counts of a block over the panel genes of its query, scaled to a library size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.sources.block import CountBlock

if TYPE_CHECKING:
    import scipy.sparse as sp


def query_counts(
    counts: CountBlock | None, genes: GeneMatch, rows: NDArray[np.integer] | None = None
) -> sp.csr_matrix:
    """Return counts of cells of a block over all genes of its query; of all without `rows`."""
    import scipy.sparse as sp

    if counts is None:
        raise ValueError("the block does not carry its counts")
    shape = counts.n_cells, len(genes.panel_column)
    every = sp.csr_matrix((counts.data, counts.indices, counts.indptr), shape)
    return every if rows is None else every[rows]


def over_panel(counts: sp.csr_matrix, genes: GeneMatch) -> sp.csr_matrix:
    """Sum counts of a query's genes up to those of the panel's, float64 [cells, panel]."""
    import scipy.sparse as sp

    used = np.flatnonzero(genes.panel_column >= 0)
    ends = used, genes.panel_column[used]
    shape = len(genes.panel_column), len(genes.measured)
    return counts @ sp.csr_matrix((np.ones(len(used)), ends), shape)


def panel_counts(
    counts: CountBlock | None,
    genes: GeneMatch,
    share: NDArray[np.float32],
    rows: NDArray[np.integer] | None = None,
) -> sp.csr_matrix:
    """Scale counts to 10,000 of the atlas's panel a cell.

    A cell is scaled by its counts of the measured panel genes, and to the share of a reference
    cell's counts that these hold, as the encoder does.

    Parameters
    ----------
    counts
        Of a block, in the query's gene order.
    genes
        Which of them feed the panel.
    share
        float32 [panel], mean share of each gene in a reference cell's counts.
    rows
        Cells of the block that are wanted; all when None.

    Returns
    -------
    csr_matrix
        float64 [cells, panel], each gene once.
    """
    panel = over_panel(query_counts(counts, genes, rows), genes)
    library = np.maximum(np.asarray(panel.sum(axis=1)).ravel(), 1e-6)
    scale = LIBRARY * float(share[genes.measured].sum())
    panel.data *= np.repeat(scale / library, np.diff(panel.indptr))
    return panel
