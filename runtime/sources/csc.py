"""Matrices stored gene by gene (CSC): turned round in bounded memory.

Cost: the cells are cut into super-blocks of at most `SUPER_NONZEROS` values, and each
super-block takes one scan over all positions and values of the matrix (plus one scan of the
positions alone at the start, to count the values of every cell, when there is more than one
super-block). A file of a hundred million non-zeros is scanned ten times. Save large
files as CSR to have them read once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.compressed import CompressedMatrix
from cellport.runtime.sources.csr_checks import as_counts, as_positions, split
from cellport.runtime.sources.source import MatrixSample, sample_windows
from cellport.runtime.sources.trouble import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SUPER_NONZEROS = 10_000_000
PIECE = 1_000_000
SAMPLE_PIECES = 8
SAMPLE_VALUES = 4_000
# a matrix of so many values (48 MB) is turned round to look at whole cells, and kept so to be read
SAMPLE_WHOLE = 4_000_000


@dataclass(frozen=True, slots=True)
class CscMatrix(CompressedMatrix):
    """A matrix with one pointer a gene, and positions of cells."""

    # a small matrix as cells, from looking at it until it is read
    held: list[CountBlock] = field(default_factory=list, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.check_lengths(self.n_genes)

    def blocks(self, block_cells: int, start: int, stop: int) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop``, structure checked, values not."""
        if self.held and (start, stop) == (0, self.n_cells):
            yield from split(self.held.pop(), block_cells)
            return
        if self.held:
            yield from split(part_of(self.held[0], start, stop), block_cells)
            return
        pointers = self.pointers(0, self.n_genes, self.n_stored)
        for low, high, most in self._super_blocks(int(pointers[-1]), start, stop):
            yield from split(self._turn(pointers, low, high, most), block_cells)

    def empty_genes(self) -> NDArray[np.bool_] | None:
        """Return which genes have no stored value, bool [genes]; None where reading is quick."""
        if self.held:
            return None
        pointers = self.pointers(0, self.n_genes, self.n_stored)
        return np.asarray(np.diff(pointers) == 0)

    def _super_blocks(self, stored: int, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Cut ``start:stop`` into runs of cells, each with the most values that it can have."""
        if stored <= SUPER_NONZEROS:
            return [(start, stop, stored)] if start < stop else []
        ends = np.concatenate([[0], np.cumsum(self._values_per_cell(stored))])
        return super_blocks(ends, start, stop)

    def _values_per_cell(self, stored: int) -> NDArray[np.int64]:
        per_cell = np.zeros(self.n_cells, dtype=np.int64)
        for low in range(0, stored, PIECE):
            with readable(f"{self.where}, 'indices'"):
                piece = np.asarray(self.indices[low : min(low + PIECE, stored)])
                positions = as_positions(piece, self.n_cells)
            per_cell += np.bincount(positions, minlength=self.n_cells)
        return per_cell

    def _turn(self, pointers: NDArray[np.int64], low: int, high: int, most: int) -> CountBlock:
        """Scan all values and return those of the cells ``low:high``, at most `most`, by cell."""
        from scipy.sparse import csc_array

        rows, values = np.empty(most, np.int32), np.empty(most, np.float32)
        counts, n = np.zeros(self.n_genes, dtype=np.int64), 0
        stored = int(pointers[-1])
        with self.pairs(self.n_cells) as pairs:
            for begin in range(0, stored, PIECE):
                end = min(begin + PIECE, stored)
                with readable(f"{self.where}, values {begin} to {end - 1}"):
                    positions, data = pairs.read(begin, end)
                inside = (positions >= low) & (positions < high)
                # Every gene's share of this piece, from the running count of values inside.
                running = np.concatenate([[0], np.cumsum(inside)])
                counts += np.diff(running[np.clip(pointers, begin, end) - begin])
                n_inside = int(running[-1])
                rows[n : n + n_inside] = positions[inside] - np.int32(low)
                values[n : n + n_inside] = data[inside]
                n += n_inside
        parts = (values[:n], rows[:n], np.concatenate([[0], np.cumsum(counts)]))
        turned = csc_array(parts, shape=(high - low, self.n_genes)).tocsr()
        indptr = turned.indptr.astype(np.int64)
        return CountBlock(low, indptr, turned.indices.astype(np.int32, copy=False), turned.data)

    def sample(self) -> MatrixSample:
        """Read all values of a small matrix, a few runs from all over a large one."""
        if 0 < self.n_stored <= SAMPLE_WHOLE:
            pointers = self.pointers(0, self.n_genes, self.n_stored)
            block = self._turn(pointers, 0, self.n_cells, self.n_stored)
            self.held[:] = [block]
            return MatrixSample.of_cells(
                part_of(block, start, stop) for start, stop in sample_windows(self.n_cells)
            )
        last = max(0, self.n_stored - SAMPLE_VALUES)
        starts = sorted({last * step // (SAMPLE_PIECES - 1) for step in range(SAMPLE_PIECES)})
        with readable(self.where):
            pieces = [as_counts(np.asarray(self.data[s : s + SAMPLE_VALUES])) for s in starts]
        return MatrixSample(np.concatenate(pieces), None, None)


def super_blocks(ends: NDArray[np.int64], start: int, stop: int) -> list[tuple[int, int, int]]:
    """Cut the cells ``start:stop`` into runs, each with its values; `ends` are those before."""
    runs = []
    while start < stop:
        before = int(ends[start])
        high = int(np.searchsorted(ends, before + SUPER_NONZEROS, side="right")) - 1
        high = min(max(high, start + 1), stop)
        runs.append((start, high, int(ends[high]) - before))
        start = high
    return runs


def part_of(block: CountBlock, start: int, stop: int) -> CountBlock:
    """Cut the cells ``start:stop`` out of a block of all cells."""
    ends = block.indptr[start : stop + 1]
    inside = slice(ends[0], ends[-1])
    return CountBlock(start, ends - ends[0], block.indices[inside], block.data[inside])
