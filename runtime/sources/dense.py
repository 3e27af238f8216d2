"""Matrices stored with every zero (dense): read in slabs of cells.

Cost: every value of the matrix is read and inflated once, zeros included; memory is one slab.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.csr_checks import MAX_NONZEROS, Array, as_counts, rows_a_chunk, split
from cellport.runtime.sources.source import MatrixSample, sample_windows
from cellport.runtime.sources.trouble import cells, damaged, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ArrayMatrix:
    """An array of two axes, cells by genes, of any number type."""

    where: str
    values: Any

    def __post_init__(self) -> None:
        if len(self.values.shape) != 2:
            raise damaged(self.where, f"it has {len(self.values.shape)} axes instead of two")

    @property
    def n_cells(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def n_genes(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])


@dataclass(frozen=True, slots=True)
class DenseMatrix(ArrayMatrix):
    """A dense matrix on disk or in memory."""

    def blocks(self, block_cells: int, start: int, stop: int) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop`` without their zeros."""
        slab = slab_cells(self.values, block_cells)
        for low in range(start, stop, slab):
            yield from split(self._read(low, min(low + slab, stop)), block_cells)

    def sample(self) -> MatrixSample:
        """Read a few cells from all over the matrix."""
        fits = max(1, MAX_NONZEROS // max(1, self.n_genes))
        windows = sample_windows(self.n_cells)
        return MatrixSample.of_cells(
            self._read(start, min(stop, start + fits)) for start, stop in windows
        )

    def _read(self, start: int, stop: int) -> CountBlock:
        with readable(cells(self.where, start, stop)):
            return without_zeros(as_counts(np.asarray(self.values[start:stop])), start)


def slab_cells(values: Array, block_cells: int) -> int:
    """Return how many cells to read at once: whole blocks, and whole chunks where they fit."""
    most = max(1, MAX_NONZEROS // max(1, values.shape[1]))
    if most <= block_cells:
        return most
    return max(block_cells, min(rows_a_chunk(values), most) // block_cells * block_cells)


def without_zeros(values: NDArray[np.float32], start: int) -> CountBlock:
    """Return dense rows as a block that stores what is not zero (NaN is not)."""
    rows, columns = np.nonzero(values)
    indptr = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=len(values)), out=indptr[1:])
    return CountBlock(start, indptr, columns.astype(np.int32), values[rows, columns])
