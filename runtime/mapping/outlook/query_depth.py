"""How many counts the cells of a query have over the genes of an atlas."""

from __future__ import annotations

import numpy as np

from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.sources import CountSource
from cellport.runtime.sources.spread import spread_cells

_CELLS, _WINDOWS = 500, 10


def query_depth(source: CountSource, genes: GeneMatch) -> float:
    """Return the median counts of some cells over the panel genes; 1 where none has any."""
    known, total = genes.panel_column >= 0, np.zeros(0)
    for block in spread_cells(source, _CELLS, _WINDOWS):
        cell = np.repeat(np.arange(block.n_cells), np.diff(block.indptr))
        counts = np.where(known[block.indices], block.data, 0)
        total = np.append(total, np.bincount(cell, counts, block.n_cells))
    return float(np.median(total[total > 0])) if (total > 0).any() else 1.0
