"""Matrices stored as three arrays, cell by cell (CSR) or gene by gene (CSC)."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellport.runtime.sources.csr_checks import Array
from cellport.runtime.sources.ranges import Pairs, open_pairs
from cellport.runtime.sources.trouble import cells, damaged, readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellport.runtime.sources.source import CheckArray

ARRAYS = ("indptr", "indices", "data")


@dataclass(frozen=True, slots=True)
class CompressedMatrix:
    """A matrix, cells by genes, on disk or in memory: three arrays of any number types.

    `threads` read and inflate chunks. Where it is `strict`, values beyond the last pointer are a
    fault (files), else spare room (scipy).
    """

    where: str
    n_cells: int
    n_genes: int
    indptr: Array
    indices: Array
    data: Array
    threads: int
    strict: bool = True

    @property
    def n_stored(self) -> int:
        """Number of stored values."""
        return self.data.shape[0]

    def pairs(self, limit: int) -> closing[Pairs]:
        """Open positions, which must be below `limit`, and values for reading in order."""
        with readable(self.where):
            return closing(open_pairs(self.indices, self.data, limit, self.threads))

    def check_lengths(self, n_rows: int) -> None:
        """Check that the three arrays fit each other; `n_rows` is the length of one axis."""
        where, indptr, stored = self.where, self.indptr, self.n_stored
        for name in ARRAYS:
            axes = len(getattr(self, name).shape)
            if axes != 1:
                raise damaged(where, f"'{name}' has {axes} axes instead of one")
        if indptr.shape[0] != n_rows + 1:
            raise damaged(
                where, f"'indptr' has {indptr.shape[0]} entries where {n_rows + 1} are expected"
            )
        if self.indices.shape[0] != stored:
            raise damaged(
                where, f"'indices' has {self.indices.shape[0]} entries and 'data' has {stored}"
            )
        if indptr.dtype.kind not in "iu":
            raise damaged(where, f"'indptr' holds {indptr.dtype} instead of integers")
        with readable(f"{where}, 'indptr'"):
            first, last = int(indptr[0:1][0]), int(indptr[n_rows : n_rows + 1][0])
        if first != 0 or last > stored or (self.strict and last != stored):
            raise damaged(
                where, f"'indptr' runs from {first} to {last} where 0 to {stored} is expected"
            )

    def pointers(self, start: int, stop: int, limit: int) -> NDArray[np.int64]:
        """Read ``indptr[start:stop + 1]``, checked to rise within the stored values.

        `limit` is the most values that one row can have without being absurd.
        """
        place = cells(self.where, start, stop)
        with readable(f"{place}, 'indptr'"):
            pointers = np.asarray(self.indptr[start : stop + 1]).astype(np.int64)
        lengths = np.diff(pointers)
        if pointers[0] < 0 or pointers[-1] > self.n_stored or (lengths < 0).any():
            raise damaged(place, "'indptr' falls or leaves the stored values")
        if lengths.size and lengths.max() > limit:
            raise damaged(
                place, f"one of them has {lengths.max()} values, more than there are genes"
            )
        return pointers


def stored_arrays(group: Any, where: str, check_array: CheckArray) -> tuple[Array, Array, Array]:
    """Return the three arrays of a group of h5py or zarr, all there and checked."""
    for name in ARRAYS:
        if name not in group:
            raise damaged(where, f"its array '{name}' is not there")
        check_array(group[name], f"{where}, '{name}'")
    return group["indptr"], group["indices"], group["data"]
