"""Undoing the filters of HDF5 chunks outside the HDF5 library, which works on one at a time.

Every function here releases the GIL for its work. libdeflate (package ``deflate``) inflates
2.3 to 2.7 times as fast as zlib on chunks of counts; zlib does when it is not there.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from numpy.typing import NDArray

libdeflate: ModuleType | None
try:
    import deflate as libdeflate
except ImportError:
    libdeflate = None

Buffer = bytes | bytearray | memoryview

DAMAGED = "a chunk does not decompress to its size"


def inflate(packed: Buffer, size: int, width: int) -> Buffer:
    """Undo gzip (deflate in a zlib frame, whose checksum is verified)."""
    if libdeflate is not None:
        try:
            inflated: Buffer = libdeflate.zlib_decompress(packed, size)
        except libdeflate.DeflateError as error:
            raise InputError(DAMAGED) from error
        return inflated
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed, size + 1)
    except zlib.error as error:
        raise InputError(DAMAGED) from error
    if not stream.eof:
        raise InputError(DAMAGED)
    return plain


def unshuffle(shuffled: Buffer, size: int, width: int) -> Buffer:
    """Undo the byte shuffle: all first bytes of the elements, then all second bytes, ..."""
    if len(shuffled) != size:
        raise InputError(DAMAGED)
    planes = np.frombuffer(shuffled, np.uint8).reshape(width, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).data


def unpack(packed: Buffer, size: int, width: int) -> Buffer:
    """Undo LZF."""
    from cellport.kernels.lzf import unpack_lzf  # brings numba, which hardly any file needs

    plain = unpack_lzf(bytes(packed), size)
    if plain is None:
        raise InputError(DAMAGED)
    return plain.data


# By the number that the HDF5 group registered; each takes the bytes, the size that they have
# unfiltered, and the width of an element.
UNDO: Mapping[int, Callable[[Buffer, int, int], Buffer]] = {1: inflate, 2: unshuffle, 32000: unpack}


def undo_filters(
    raw: Buffer, filters: tuple[int, ...], skipped: int, size: int, dtype: np.dtype
) -> NDArray[np.generic]:
    """Return the elements of a chunk.

    Parameters
    ----------
    raw
        The chunk as it lies in the file.
    filters
        Numbers of the filters in the order in which they were applied.
    skipped
        Bit ``i`` is set when filter ``i`` was not applied to this chunk.
    size
        Bytes of the chunk without filters.
    dtype
        Type of the elements, in the byte order of the file.

    Raises
    ------
    InputError
        When the chunk does not come to `size` bytes or a checksum fails.
    """
    for position in reversed(range(len(filters))):
        if not skipped >> position & 1:
            raw = UNDO[filters[position]](raw, size, dtype.itemsize)
    if len(raw) != size:
        raise InputError(DAMAGED)
    return np.frombuffer(raw, dtype)
