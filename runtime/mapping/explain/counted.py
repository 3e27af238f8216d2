"""Counts of chosen cells over the panel genes, with what is needed to make features of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.panel_counts import over_panel, query_counts
from cellport.runtime.sources.block import CountBlock

if TYPE_CHECKING:
    import scipy.sparse as sp


@dataclass(frozen=True, slots=True)
class CountedCells:
    """Some cells, of one query or of several."""

    counts: sp.csr_matrix  # float32 [cells, panel], a gene that comes twice at its first place
    query_library: NDArray[np.float64]  # [cells], counts over all genes of the query
    unmeasured: NDArray[np.uint8]  # [cells, panel / 8], bits of the genes that were not measured

    def __len__(self) -> int:
        return len(self.query_library)

    def take(self, rows: NDArray[np.integer]) -> CountedCells:
        """Return some of the cells."""
        return CountedCells(self.counts[rows], self.query_library[rows], self.unmeasured[rows])

    def by_genes(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
        """Yield cells that measured the same genes, int64 [n], and these genes, bool [panel]."""
        if not len(self):
            return
        alike, of_cell = np.unique(self.unmeasured, axis=0, return_inverse=True)
        for code, bits in enumerate(alike):
            lacks = np.unpackbits(bits, count=self.counts.shape[1]).astype(np.bool_)
            yield np.flatnonzero(of_cell.ravel() == code), ~lacks


def count_cells(
    counts: CountBlock | None, genes: GeneMatch, rows: NDArray[np.integer]
) -> CountedCells:
    """Take the counts of some cells of a block; `genes` are those of its query."""
    chosen = query_counts(counts, genes, rows)
    library = np.asarray(chosen @ genes.is_gene.astype(np.float64)).ravel()
    bits = np.tile(np.packbits(~genes.measured), (len(rows), 1))
    return CountedCells(over_panel(chosen, genes).astype(np.float32).tocsr(), library, bits)
