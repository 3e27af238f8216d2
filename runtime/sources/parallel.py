"""Reading positions and values of non-zeros from stored chunks on several threads.

The HDF5 library reads one chunk at a time and keeps other threads out meanwhile, and zarr's hands
each from one thread to another and back. Here the chunks are read straight from their files
(`chunks`, `zarr_chunks`) and decompressed on a pool of threads, positions and values together,
each chunk written where it belongs.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cellport.runtime.sources.chunks import FileChunks, locate
from cellport.runtime.sources.csr_checks import Pair, as_counts, as_positions
from cellport.runtime.sources.watched import descriptor

if TYPE_CHECKING:
    from collections.abc import Callable

    import h5py
    from numpy.typing import NDArray

    Convert = Callable[[NDArray[Any]], NDArray[Any]]

# Bytes that one job reads: enough to hide what it costs to hand it to a thread.
JOB_BYTES = 1 << 19
# Elements that an array for a block is a multiple of.
_ROOM = 1 << 20


class StoredChunks(Protocol):
    """An array in chunks, wherever they lie."""

    @property
    def width(self) -> int:
        """Elements of a chunk."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the elements, as they are stored."""

    def decode(self, number: int) -> NDArray[Any]:
        """Read a chunk; the last without what is behind the end of the array."""


class ChunkStream:
    """One array read from front to back, no chunk inflated twice."""

    def __init__(self, chunks: StoredChunks, convert: Convert) -> None:
        self._chunks, self._convert = chunks, convert
        # Number and elements of the chunk in which the last range, and this one, ended.
        self._kept: tuple[int, NDArray[Any]] = (-1, np.empty(0, chunks.dtype))
        self._ended = self._kept

    def jobs(self, start: int, stop: int, out: NDArray[Any]) -> list[Callable[[], None]]:
        """Return jobs, for any threads in any order, that fill `out` with ``start:stop``."""
        if start == stop:
            return []
        width = self._chunks.width
        first, last = start // width, (stop - 1) // width
        step = max(1, JOB_BYTES // (width * self._chunks.dtype.itemsize))
        chunks, fill = self._chunks, self._fill
        if isinstance(chunks, FileChunks) and chunks.plain and chunks.dtype == out.dtype:
            fill = partial(self._fill_straight, chunks)
        return [
            partial(fill, range(low, min(low + step, last + 1)), start, stop, out)
            for low in range(first, last + 1, step)
        ]

    def _fill(self, numbers: range, start: int, stop: int, out: NDArray[Any]) -> None:
        width = self._chunks.width
        for number in numbers:
            kept_number, values = self._kept
            if number != kept_number:
                values = self._chunks.decode(number)
            base = number * width
            low, high = max(start, base), min(stop, base + width)
            out[low - start : high - start] = self._convert(values[low - base : high - base])
            if high == stop:
                self._ended = (number, values)

    def _fill_straight(
        self, chunks: FileChunks, numbers: range, start: int, stop: int, out: NDArray[Any]
    ) -> None:
        width = chunks.width
        for number in numbers:
            base = number * width
            low, high = max(start, base), min(stop, base + width)
            place = out[low - start : high - start]
            chunks.read_into(number, low - base, place)
            # of the same type, so that it checks and changes nothing
            self._convert(place)

    def advance(self) -> None:
        """Keep the chunk in which the range ended, once all of its jobs are done."""
        self._kept = self._ended


def _room(size: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Return an empty array, cut from one of few sizes.

    Blocks differ a little in size, and an allocator that is asked for ever new sizes fills the
    gaps of the old ones badly: memory would creep up over a long file.
    """
    return np.empty(-(-size // _ROOM) * _ROOM, dtype)[:size]


def _work_off(jobs: deque[tuple[int, Callable[[], None]]], failed: dict[int, Exception]) -> None:
    """Do one job after another until none is left, as other threads do with the same jobs.

    Handing each over by itself would put its thread to sleep and wake it.
    """
    while jobs:
        try:
            number, job = jobs.popleft()
        except IndexError:  # another thread took the last
            return
        try:
            job()
        except Exception as error:  # noqa: BLE001 - raised where the range is waited for
            failed[number] = error


class ParallelPairs:
    """Positions and values read together by a pool of threads."""

    def __init__(
        self, streams: tuple[ChunkStream, ChunkStream], threads: int, file: int = -1
    ) -> None:
        self._indices, self._data = streams
        self._file, self._threads = file, threads
        self._pool = ThreadPoolExecutor(threads, "cellport-read") if threads > 1 else None

    def begin(self, start: int, stop: int) -> Callable[[], Pair]:
        """Have the threads begin to read a range; what is returned waits for it, and returns it.

        The range before must have been waited for.
        """
        indices, data = _room(stop - start, np.int32), _room(stop - start, np.float32)
        jobs = self._indices.jobs(start, stop, indices) + self._data.jobs(start, stop, data)
        failed: dict[int, Exception] = {}
        work = partial(_work_off, deque(enumerate(jobs)), failed)
        running = (
            [] if self._pool is None else [self._pool.submit(work) for _ in range(self._threads)]
        )

        def finish() -> Pair:
            if self._pool is None:
                work()
            for one in running:
                one.result()
            if failed:
                raise failed[min(failed)]
            self._indices.advance()
            self._data.advance()
            return indices, data

        return finish

    def read(self, start: int, stop: int) -> Pair:
        """Read ``indices[start:stop]`` and ``data[start:stop]``, checked and converted."""
        return self.begin(start, stop)()

    def close(self) -> None:
        """Stop the threads and release the file."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def open_parallel(
    indices: h5py.Dataset, data: h5py.Dataset, limit: int, threads: int
) -> ParallelPairs | None:
    """Open positions, which must be below `limit`, and values of one file for reading by chunks.

    None where one of the two must be read through h5py (see `chunks.locate`).
    """
    located = locate(indices), locate(data)
    if located[0] is None or located[1] is None:
        return None
    # A handle of its own stays good when the source is closed while blocks are on their way.
    watched = descriptor(indices.file)
    file = os.dup(indices.file.id.get_vfd_handle() if watched is None else watched)
    both = FileChunks(located[0], file), FileChunks(located[1], file)
    return ParallelPairs(_streams(*both, limit), threads, file)


def open_parallel_zarr(indices: Any, data: Any, limit: int, threads: int) -> ParallelPairs | None:
    """Open positions and values of a zarr store for reading by chunks.

    None where one of the two must be read through zarr (see `zarr_chunks.locate_zarr`).
    """
    from cellport.runtime.sources.zarr_chunks import locate_zarr

    positions, values = locate_zarr(indices), locate_zarr(data)
    if positions is None or values is None:
        return None
    return ParallelPairs(_streams(positions, values, limit), threads)


def _streams(
    indices: StoredChunks, data: StoredChunks, limit: int
) -> tuple[ChunkStream, ChunkStream]:
    return ChunkStream(indices, partial(as_positions, limit=limit)), ChunkStream(data, as_counts)
