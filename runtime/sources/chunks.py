"""Where the chunks of an HDF5 dataset lie in its file, so that threads can read them at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from cellport.runtime.errors import InputError
from cellport.runtime.sources.filters import DAMAGED, UNDO, undo_filters
from cellport.runtime.sources.watched import descriptor

if TYPE_CHECKING:
    from numpy.typing import NDArray

# An unchunked dataset is read in pieces of this many bytes; larger chunks are left to h5py.
PIECE_BYTES = 1 << 20
MOST_CHUNK_BYTES = 1 << 26
CUT_SHORT = "the file ends in the middle of a chunk"


@dataclass(frozen=True, slots=True)
class Chunks:
    """The chunks of a one-dimensional dataset: `length` elements, `width` a chunk."""

    dtype: np.dtype[Any]  # in the byte order of the file
    length: int
    width: int
    offsets: NDArray[np.int64]  # [n_chunks], in the file; -1 for a chunk that was never written
    sizes: NDArray[np.int64]  # [n_chunks], bytes in the file
    skipped: NDArray[np.int64]  # [n_chunks], filters not applied, as bits
    filters: tuple[int, ...]  # their numbers, in the order in which they were applied
    fill: Any  # value of chunks that were never written
    padded: bool  # whether the last chunk is stored with its whole width

    def inside(self, number: int) -> int:
        """Return how many elements of the dataset a chunk holds."""
        return min(self.width, self.length - number * self.width)

    def expected(self, number: int) -> int:
        """Return how many bytes a chunk has without its filters."""
        return (self.width if self.padded else self.inside(number)) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class FileChunks:
    """Chunks, and the descriptor of the file that they are read from."""

    chunks: Chunks
    file: int

    @property
    def width(self) -> int:
        """Elements of a chunk."""
        return self.chunks.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the elements, in the byte order of the file."""
        return self.chunks.dtype

    @property
    def plain(self) -> bool:
        """Whether elements lie in the file as they lie in memory."""
        return not self.chunks.filters and self.dtype.isnative and hasattr(os, "preadv")

    def decode(self, number: int) -> NDArray[Any]:
        """Read a chunk, without the padding behind the end of the dataset."""
        chunks, inside = self.chunks, self.chunks.inside(number)
        if chunks.offsets[number] < 0:
            return np.full(inside, chunks.fill, self.dtype)
        size, expected = int(chunks.sizes[number]), chunks.expected(number)
        check_stored(size, expected)
        raw = os.pread(self.file, size, int(chunks.offsets[number]))
        if len(raw) != size:
            raise InputError(CUT_SHORT)
        skipped = int(chunks.skipped[number])
        return undo_filters(raw, chunks.filters, skipped, expected, self.dtype)[:inside]

    def read_into(self, number: int, start: int, out: NDArray[Any]) -> None:
        """Read elements of a chunk from its element `start` on; for chunks that are `plain`."""
        chunks = self.chunks
        if chunks.offsets[number] < 0:
            out[:] = chunks.fill
            return
        if int(chunks.sizes[number]) != chunks.expected(number):
            raise InputError(DAMAGED)
        offset = int(chunks.offsets[number]) + start * self.dtype.itemsize
        rest = out.data.cast("B")
        while rest:
            n_read = os.preadv(self.file, [rest], offset)
            if not n_read:
                raise InputError(CUT_SHORT)
            rest, offset = rest[n_read:], offset + n_read


def check_stored(size: int, expected: int) -> None:
    """Refuse a chunk whose bytes in the file are more than any filter makes of `expected` ones.

    Raises
    ------
    InputError
        Before anything of that size is read.
    """
    if size > 2 * expected + 1024:
        raise InputError("a chunk is larger than its elements can make it")


def locate(dataset: Any) -> Chunks | None:
    """Find the chunks of an array.

    None for whatever must be read through h5py: other arrays than datasets, files open for writing
    or not on a disk, and layouts, types and filters that are not known here.
    """
    if not isinstance(dataset, h5py.Dataset) or not _plain_file(dataset.file):
        return None
    dtype = dataset.dtype
    if len(dataset.shape) != 1 or dtype.kind not in "iuf" or not dataset.shape[0]:
        return None
    if not h5py.h5t.py_create(dtype).equal(dataset.id.get_type()):
        return None
    created = dataset.id.get_create_plist()
    filters = tuple(created.get_filter(i)[0] for i in range(created.get_nfilters()))
    if any(number not in UNDO for number in filters):
        return None
    if created.get_layout() == h5py.h5d.CONTIGUOUS:
        return _pieces(dataset)
    if created.get_layout() == h5py.h5d.CHUNKED:
        return _chunks(dataset, filters)
    return None


def _plain_file(file: h5py.File) -> bool:
    known = file.driver == "sec2" or descriptor(file) is not None
    return hasattr(os, "pread") and known and (file.mode, file.userblock_size) == ("r", 0)


def _pieces(dataset: h5py.Dataset) -> Chunks | None:
    base = dataset.id.get_offset()
    if base is None:
        return None
    dtype, length = dataset.dtype, dataset.shape[0]
    width = PIECE_BYTES // dtype.itemsize
    starts = np.arange(0, length, width, dtype=np.int64)
    sizes = np.minimum(width, length - starts) * dtype.itemsize
    offsets, skipped = base + starts * dtype.itemsize, np.zeros_like(starts)
    return Chunks(dtype, length, width, offsets, sizes, skipped, (), 0, padded=False)


def _chunks(dataset: h5py.Dataset, filters: tuple[int, ...]) -> Chunks | None:
    dtype, length, width = dataset.dtype, dataset.shape[0], dataset.chunks[0]
    if width * dtype.itemsize > MOST_CHUNK_BYTES or not hasattr(dataset.id, "chunk_iter"):
        return None
    n_chunks = -(-length // width)
    offsets = np.full(n_chunks, -1, np.int64)
    sizes, skipped = np.zeros(n_chunks, np.int64), np.zeros(n_chunks, np.int64)

    def note(chunk: Any) -> None:
        number, beyond = divmod(chunk.chunk_offset[0], width)
        if beyond or number >= n_chunks:
            raise InputError("a chunk lies outside the dataset")
        offsets[number], sizes[number] = chunk.byte_offset, chunk.size
        skipped[number] = chunk.filter_mask

    dataset.id.chunk_iter(note)
    if (offsets < 0).any() and (offsets >= 0).any():
        raise InputError("some of its chunks were never written")
    fill = dataset.fillvalue
    return Chunks(dtype, length, width, offsets, sizes, skipped, filters, fill, padded=True)
