"""Matrices stored gene by gene (CSC): turned round in bounded memory.

Cost: the cells are cut into super-blocks of at most `SUPER_NONZEROS` values, and each
super-block takes one scan over all positions and values of the matrix (plus one scan of the
positions alone at the start, to count the values of every cell, when there is more than one
super-block). A file of a hundred million non-zeros is scanned about six times. Save large
files as CSR to have them read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.ranges import PlainPairs
from cellport.runtime.sources.source import Sample
from cellport.runtime.sources.structure import (
    Array,
    as_counts,
    as_positions,
    check_lengths,
    read_pointers,
    split,
)
from cellport.runtime.sources.trouble import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SUPER_NONZEROS = 16_000_000
PIECE = 2_000_000
SAMPLE_PIECES = 8
SAMPLE_VALUES = 4_000


@dataclass(frozen=True, slots=True)
class CscMatrix:
    """A CSC matrix, cells by genes, on disk or in memory.

    Attributes
    ----------
    where
        File and field in words.
    n_cells, n_genes
        Shape.
    indptr, indices, data
        The three arrays; `indptr` has one pointer a gene, `indices` are positions of cells.
    strict
        Whether values beyond the last pointer are a fault.
    """

    where: str
    n_cells: int
    n_genes: int
    indptr: Array
    indices: Array
    data: Array
    strict: bool = True

    def __post_init__(self) -> None:
        check_lengths(
            self.where, self.indptr, self.indices, self.data, self.n_genes, strict=self.strict
        )

    def blocks(self, block_cells: int, start: int, stop: int) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop``, structure checked, values not.

        Raises
        ------
        InputError
            When pointers or positions are out of range or the file cannot be read.
        """
        stored = self.data.shape[0]
        pointers = read_pointers(self.where, self.indptr, 0, self.n_genes, stored, stored)
        for low, high in self._super_blocks(int(pointers[-1]), start, stop):
            yield from split(self._turn(pointers, low, high), block_cells)

    def _super_blocks(self, stored: int, start: int, stop: int) -> list[tuple[int, int]]:
        if stored <= SUPER_NONZEROS:
            return [(start, stop)] if start < stop else []
        per_cell = np.zeros(self.n_cells, dtype=np.int64)
        for low in range(0, stored, PIECE):
            with readable(f"{self.where}, 'indices'"):
                piece = np.asarray(self.indices[low : min(low + PIECE, stored)])
                positions = as_positions(piece, self.n_cells)
            per_cell += np.bincount(positions, minlength=self.n_cells)
        ends = np.cumsum(per_cell)
        runs = []
        while start < stop:
            before = int(ends[start - 1]) if start else 0
            high = int(np.searchsorted(ends, before + SUPER_NONZEROS, side="right"))
            high = min(max(high, start + 1), stop)
            runs.append((start, high))
            start = high
        return runs

    def _turn(self, pointers: NDArray[np.int64], low: int, high: int) -> CountBlock:
        from scipy.sparse import csc_array

        rows, values, counts = [], [], np.zeros(self.n_genes, dtype=np.int64)
        pairs = PlainPairs(self.indices, self.data, self.n_cells)
        stored = int(pointers[-1])
        for begin in range(0, stored, PIECE):
            end = min(begin + PIECE, stored)
            with readable(f"{self.where}, values {begin} to {end - 1}"):
                positions, data = pairs.read(begin, end)
            inside = (positions >= low) & (positions < high)
            rows.append(positions[inside] - np.int32(low))
            values.append(data[inside])
            # Every gene's share of this piece, from the running count of values inside.
            running = np.concatenate([[0], np.cumsum(inside)])
            counts += np.diff(running[np.clip(pointers, begin, end) - begin])
        indptr = np.concatenate([[0], np.cumsum(counts)])
        empty_rows, empty = np.empty(0, np.int32), np.empty(0, np.float32)
        parts = (
            np.concatenate([empty, *values]),
            np.concatenate([empty_rows, *rows]),
            indptr,
        )
        turned = csc_array(parts, shape=(high - low, self.n_genes)).tocsr()
        return CountBlock(
            start=low,
            indptr=turned.indptr.astype(np.int64),
            indices=turned.indices.astype(np.int32, copy=False),
            data=turned.data,
        )

    def sample(self) -> Sample:
        """Read a few runs of values from all over the matrix."""
        stored = self.data.shape[0]
        last = max(0, stored - SAMPLE_VALUES)
        starts = sorted({last * step // (SAMPLE_PIECES - 1) for step in range(SAMPLE_PIECES)})
        with readable(self.where):
            pieces = [as_counts(np.asarray(self.data[s : s + SAMPLE_VALUES])) for s in starts]
        return Sample(np.concatenate(pieces), None)
