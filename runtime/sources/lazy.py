"""Matrices that are yet to be computed: dask arrays, as in a lazily read AnnData.

Cost: each chunk of rows is computed once, in order, and let go; memory is one chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cellport.runtime.errors import InputError
from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.dense import ArrayMatrix
from cellport.runtime.sources.source import Matrix, MatrixSample, sample_windows
from cellport.runtime.sources.trouble import cells, damaged, readable


def is_lazy(matrix: Any) -> bool:
    """Tell whether an object is a dask array, without importing dask."""
    return type(matrix).__module__.startswith("dask.")


@dataclass(frozen=True, slots=True)
class LazyMatrix(ArrayMatrix):
    """A dask array of dense or sparse blocks; `opened` opens a piece that has been computed."""

    opened: Callable[[Any, str], Matrix]

    def __post_init__(self) -> None:
        ArrayMatrix.__post_init__(self)
        if any(np.isnan(extent) for extent in self.values.shape):
            raise InputError(
                f"{self.where} is a dask array of unknown size; call .compute_chunk_sizes() first."
            )

    def blocks(self, block_cells: int, start: int, stop: int) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop``, structure checked, values not."""
        ends = np.cumsum(self.values.chunks[0])
        for low, high in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            first, last = max(low, start), min(high, stop)
            if first < last:
                piece = self._computed(first, last)
                for block in piece.blocks(block_cells, 0, last - first):
                    yield replace(block, start=first + block.start)

    def sample(self) -> MatrixSample:
        """Read a few cells from all over the matrix, for which their chunks are computed."""
        return MatrixSample.of_cells(
            replace(block, start=start + block.start)
            for start, stop in sample_windows(self.n_cells)
            for block in self._computed(start, stop).blocks(stop - start, 0, stop - start)
        )

    def _computed(self, start: int, stop: int) -> Matrix:
        place = cells(self.where, start, stop)
        with readable(place):
            piece = self.opened(self.values[start:stop].compute(), place)
        if (piece.n_cells, piece.n_genes) != (stop - start, self.n_genes):
            raise damaged(place, f"its chunk is {piece.n_cells} by {piece.n_genes}")
        return piece
