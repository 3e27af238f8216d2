"""Reading matching ranges of two stored arrays: positions and values of non-zeros."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cellport.runtime.sources.csr_checks import Array, Pair, as_counts, as_positions, rows_a_chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cellport.runtime.sources.parallel import ParallelPairs

Pairs: TypeAlias = "PlainPairs | ParallelPairs"


class PlainPairs:
    """Pairs read by slicing, one array after the other; works for every kind of array."""

    def __init__(self, indices: Array, data: Array, limit: int) -> None:
        self._indices, self._data, self._limit = KeepTail(indices), KeepTail(data), limit

    def begin(self, start: int, stop: int) -> Callable[[], Pair]:
        """Return what reads a range, once it is called; nothing goes on before."""
        return partial(self.read, start, stop)

    def read(self, start: int, stop: int) -> Pair:
        """Read ``indices[start:stop]`` and ``data[start:stop]``, checked and converted."""
        indices = as_positions(self._indices.read(start, stop), self._limit)
        return indices, as_counts(self._data.read(start, stop))

    def close(self) -> None:
        """Nothing is held."""


class KeepTail:
    """A one-dimensional array read from front to back, no compressed chunk inflated twice.

    The chunk in which a range ends is read whole and its rest kept for the next range.
    """

    def __init__(self, array: Array) -> None:
        self._array, self._chunk = array, rows_a_chunk(array)
        self._kept_start = 0
        self._kept: NDArray[Any] = np.empty(0, dtype=np.uint8)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read ``array[start:stop]``."""
        if self._chunk == 1:
            return np.asarray(self._array[start:stop])
        kept_stop = self._kept_start + len(self._kept)
        if self._kept_start <= start and stop <= kept_stop:
            return self._kept[start - self._kept_start : stop - self._kept_start]
        usable = self._kept_start <= start < kept_stop
        aligned = min(-(-stop // self._chunk) * self._chunk, self._array.shape[0])
        fresh_start = kept_stop if usable else start
        fresh = np.asarray(self._array[fresh_start:aligned])
        pieces = [fresh[: stop - fresh_start]]
        if usable:
            pieces.insert(0, self._kept[start - self._kept_start :])
        self._kept_start, self._kept = stop, fresh[stop - fresh_start :].copy()
        return np.concatenate(pieces)


def open_pairs(indices: Array, data: Array, limit: int, threads: int) -> Pairs:
    """Return the fastest reader that knows how the two arrays are stored."""
    library = type(indices).__module__.partition(".")[0]
    if library in ("h5py", "zarr"):
        from cellport.runtime.sources.parallel import open_parallel, open_parallel_zarr

        opened = open_parallel if library == "h5py" else open_parallel_zarr
        parallel = opened(indices, data, limit, threads)
        if parallel is not None:
            return parallel
    return PlainPairs(indices, data, limit)
