"""Counts of a small query, read once for all that goes over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.csr import CsrMatrix
from cellport.runtime.sources.csr_checks import MAX_NONZEROS
from cellport.runtime.sources.source import CountSource

_BLOCK = 2048


def keep_counts(source: CountSource, most_cells: int) -> CountSource:
    """Read the counts into memory, where they are no more than one block may hold.

    Parameters
    ----------
    source
        Closed by whoever opened it, as what is returned.
    most_cells
        A query of more cells is returned as it is.

    Returns
    -------
    CountSource
        The same cells and genes.
    """
    if source.n_cells > most_cells:
        return source
    kept: list[CountBlock] = []
    seen = values = 0
    for block in source.blocks(_BLOCK):
        seen, values = seen + block.n_cells, values + len(block.data)
        # as far as the cells until here tell, which keeps what is read in vain to a block
        if values * source.n_cells > MAX_NONZEROS * seen:
            return source
        # a copy: what a source yields may lie in memory that the next block takes
        kept.append(replace(block, indices=block.indices.copy(), data=block.data.copy()))
    return replace(source, seekable=True, in_memory=True, _matrix=_joined(kept, source))


def _joined(blocks: list[CountBlock], source: CountSource) -> CsrMatrix:
    lengths = np.concatenate([np.diff(block.indptr) for block in blocks])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.concatenate([block.indices for block in blocks])
    data = np.concatenate([block.data for block in blocks])
    shape = source.n_cells, source.n_genes
    return CsrMatrix(source.description, *shape, indptr, indices, data, 1, strict=False)
