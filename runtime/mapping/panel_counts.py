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
    import scipy.sparse as sp

    if counts is None:
        raise ValueError("the block does not carry its counts")
    used = np.flatnonzero(genes.panel_column >= 0)
    ends = used, genes.panel_column[used]
    place = sp.csr_matrix((np.ones(len(used)), ends), (len(genes.panel_column), len(share)))
    shape = counts.n_cells, len(genes.panel_column)
    every = sp.csr_matrix((counts.data, counts.indices, counts.indptr), shape)
    panel = (every if rows is None else every[rows]) @ place
    library = np.maximum(np.asarray(panel.sum(axis=1)).ravel(), 1e-6)
    scale = LIBRARY * float(share[genes.measured].sum())
    panel.data *= np.repeat(scale / library, np.diff(panel.indptr))
    return panel
