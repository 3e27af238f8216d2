"""Matrices stored cell by cell (CSR): read straight through, only the ranges asked for."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.csr_checks import (
    Array,
    as_counts,
    check_lengths,
    cut,
    read_pointers,
    row_limit,
)
from cellport.runtime.sources.ranges import open_pairs
from cellport.runtime.sources.source import Sample
from cellport.runtime.sources.trouble import cells, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

# Cells looked at to judge a matrix: this many at the start of each of a few windows.
SAMPLE_WINDOWS = 8
SAMPLE_CELLS = 16


def sample_windows(n_cells: int) -> list[tuple[int, int]]:
    """Return a few short windows of cells, the first at the start, the last at the end."""
    last = max(0, n_cells - SAMPLE_CELLS)
    starts = sorted({last * step // (SAMPLE_WINDOWS - 1) for step in range(SAMPLE_WINDOWS)})
    ends = [*starts[1:], n_cells]
    return [
        (start, min(start + SAMPLE_CELLS, end)) for start, end in zip(starts, ends, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class CsrMatrix:
    """A CSR matrix on disk or in memory.

    Attributes
    ----------
    where
        File and field in words.
    n_cells, n_genes
        Shape.
    indptr, indices, data
        The three arrays, of any integer and number types.
    threads
        Threads that read and inflate chunks.
    strict
        Whether values beyond the last pointer are a fault.
    """

    where: str
    n_cells: int
    n_genes: int
    indptr: Array
    indices: Array
    data: Array
    threads: int
    strict: bool = True

    def __post_init__(self) -> None:
        check_lengths(
            self.where, self.indptr, self.indices, self.data, self.n_cells, strict=self.strict
        )

    def blocks(self, block_cells: int, start: int, stop: int) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop``, structure checked, values not.

        Raises
        ------
        InputError
            When pointers or positions are out of range or the file cannot be read.
        """
        stored, limit = self.data.shape[0], row_limit(self.n_genes)
        with readable(self.where):
            opened = open_pairs(self.indices, self.data, self.n_genes, self.threads)
        with closing(opened) as pairs:
            for low in range(start, stop, block_cells):
                high = min(low + block_cells, stop)
                pointers = read_pointers(self.where, self.indptr, low, high, stored, limit)
                for first, last in cut(pointers):
                    begin, end = int(pointers[first]), int(pointers[last])
                    place = cells(self.where, low + first, low + last)
                    with readable(place):
                        indices, data = pairs.read(begin, end)
                    yield CountBlock(
                        start=low + first,
                        indptr=pointers[first : last + 1] - begin,
                        indices=indices,
                        data=data,
                    )

    def sample(self) -> Sample:
        """Read the values of a few cells from all over the matrix."""
        values, owners = [], []
        stored, limit = self.data.shape[0], row_limit(self.n_genes)
        for start, stop in sample_windows(self.n_cells):
            pointers = read_pointers(self.where, self.indptr, start, stop, stored, limit)
            _, kept = next(cut(pointers))
            pointers = pointers[: kept + 1]
            with readable(cells(self.where, start, start + kept)):
                values.append(as_counts(np.asarray(self.data[pointers[0] : pointers[-1]])))
            owners.append(np.repeat(np.arange(start, start + kept), np.diff(pointers)))
        return Sample(np.concatenate(values), np.concatenate(owners))
