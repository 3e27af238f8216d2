"""Matrices stored cell by cell (CSR): read straight through, only the ranges asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.compressed import CompressedMatrix
from cellport.runtime.sources.csr_checks import as_counts, as_positions, cut, row_limit
from cellport.runtime.sources.source import MatrixSample, sample_windows
from cellport.runtime.sources.trouble import cells, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from cellport.runtime.sources.ranges import Pairs


@dataclass(frozen=True, slots=True)
class CsrMatrix(CompressedMatrix):
    """A matrix with one pointer a cell, and positions of genes."""

    def __post_init__(self) -> None:
        self.check_lengths(self.n_cells)

    def blocks(self, block_cells: int, start: int, stop: int) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop``, structure checked, values not.

        While a block is in use the next is being read, where threads read it.
        """
        with self.pairs(self.n_genes) as pairs:
            finish: Callable[[], CountBlock] | None = None
            for first, pointers in self._runs(block_cells, start, stop):
                done = [] if finish is None else [finish()]
                finish = self._begin(pairs, first, pointers)
                while done:
                    # nothing here holds it while it is in use
                    yield done.pop()
            if finish is not None:
                yield finish()

    def _runs(
        self, block_cells: int, start: int, stop: int
    ) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield the first cell of each block, and the pointers of its cells."""
        for low in range(start, stop, block_cells):
            high = min(low + block_cells, stop)
            pointers = self.pointers(low, high, row_limit(self.n_genes))
            for first, last in cut(pointers):
                yield low + first, pointers[first : last + 1]

    def _begin(
        self, pairs: Pairs, start: int, pointers: NDArray[np.int64]
    ) -> Callable[[], CountBlock]:
        place = cells(self.where, start, start + len(pointers) - 1)
        with readable(place):
            begun = pairs.begin(int(pointers[0]), int(pointers[-1]))

        def finish() -> CountBlock:
            with readable(place):
                indices, data = begun()
            return CountBlock(start, pointers - pointers[0], indices, data)

        return finish

    def sample(self) -> MatrixSample:
        """Read the values of a few cells from all over the matrix."""
        return MatrixSample.of_cells(map(self._window, sample_windows(self.n_cells)))

    def _window(self, window: tuple[int, int]) -> CountBlock:
        start, stop = window
        pointers = self.pointers(start, stop, row_limit(self.n_genes))
        _, kept = next(cut(pointers))
        pointers = pointers[: kept + 1]
        inside = slice(int(pointers[0]), int(pointers[-1]))
        with readable(cells(self.where, start, start + kept)):
            values = as_counts(np.asarray(self.data[inside]))
            genes = as_positions(np.asarray(self.indices[inside]), self.n_genes)
        return CountBlock(start, pointers - pointers[0], genes, values)
