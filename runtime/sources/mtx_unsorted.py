"""Matrices of text in another order than by cell, such as R writes of cells by genes.

Cost: one scan of the text counts the values of every cell, and each super-block of at most
`SUPER_NONZEROS` values takes one more; memory is one of these. A small matrix is kept from looking
at it until it is read.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.csc import SAMPLE_WHOLE, part_of, super_blocks
from cellport.runtime.sources.csr_checks import row_limit, split
from cellport.runtime.sources.mtx import SAMPLE_CELLS
from cellport.runtime.sources.source import MatrixSample, sample_windows
from cellport.runtime.sources.trouble import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cellport.runtime.sources.mtx import MtxMatrix


@dataclass(frozen=True, slots=True)
class UnsortedMtxMatrix:
    """A MatrixMarket file whose entries are gathered by cell."""

    text: MtxMatrix
    # values before each cell, from the first scan on
    ends: list[NDArray[np.int64]] = field(default_factory=list, compare=False, repr=False)
    # a small matrix as cells
    held: list[CountBlock] = field(default_factory=list, compare=False, repr=False)
    seekable: ClassVar[bool] = False  # text is parsed from the beginning

    @property
    def where(self) -> str:
        """File in words."""
        return self.text.where

    @property
    def n_cells(self) -> int:
        """Number of rows."""
        return self.text.n_cells

    @property
    def n_genes(self) -> int:
        """Number of columns."""
        return self.text.n_genes

    def blocks(self, block_cells: int, start: int, stop: int) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop``, structure checked, values not."""
        if self.held:
            whole = (start, stop) == (0, self.n_cells)
            block = self.held.pop() if whole else part_of(self.held[0], start, stop)
            yield from split(block, block_cells)
            return
        for low, high, most in super_blocks(self._values_before(), start, stop):
            yield from split(self._gathered(low, high, most), block_cells)

    def sample(self) -> MatrixSample:
        """Read a small matrix whole, the first cells of a large one."""
        if self.text.n_entries > SAMPLE_WHOLE:
            stop = min(SAMPLE_CELLS, self.n_cells)
            most = int(self._values_before()[stop])
            return MatrixSample.of_cells([self._gathered(0, stop, most)])
        block = self._gathered(0, self.n_cells, self.text.n_entries)
        self.held[:] = [block]
        windows = sample_windows(self.n_cells)
        return MatrixSample.of_cells(part_of(block, start, stop) for start, stop in windows)

    def _values_before(self) -> NDArray[np.int64]:
        if not self.ends:
            per_cell = np.zeros(self.n_cells, np.int64)
            with closing(self.text.entries()) as pieces:
                for cells, _, _ in pieces:
                    per_cell += np.bincount(cells, minlength=self.n_cells)
            if per_cell.size and per_cell.max() > row_limit(self.n_genes):
                most = int(per_cell.argmax())
                raise damaged(self.where, f"cell {most} has more entries than genes")
            self.ends.append(np.concatenate([[0], np.cumsum(per_cell)]))
        return self.ends[0]

    def _gathered(self, low: int, high: int, most: int) -> CountBlock:
        """Scan the text and return the cells ``low:high``, which have at most `most` values."""
        cells, genes = np.empty(most, np.int32), np.empty(most, np.int32)
        values, n = np.empty(most, np.float32), 0
        with closing(self.text.entries()) as pieces:
            for piece in pieces:
                inside = (piece[0] >= low) & (piece[0] < high)
                end = n + int(np.count_nonzero(inside))
                if end > most:
                    raise damaged(self.where, f"it has more entries than {most}, which it says")
                for kept, found in zip((cells, genes, values), piece, strict=True):
                    kept[n:end] = found[inside]
                n = end
        order = np.lexsort((genes[:n], cells[:n]))
        indptr = np.searchsorted(cells[:n][order], np.arange(low, high + 1)).astype(np.int64)
        return CountBlock(low, indptr, genes[order], values[order])
