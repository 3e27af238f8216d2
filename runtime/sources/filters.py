"""Undoing the filters of HDF5 chunks outside the HDF5 library, which works on one at a time.

Every function here releases the GIL for its work. libdeflate (package ``deflate``) inflates
2.3 to 2.7 times as fast as zlib on chunks of counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import deflate
import numpy as np

from cellport.runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

Buffer = bytes | bytearray | memoryview

DAMAGED = "a chunk does not decompress to its size"


def inflate(packed: Buffer, size: int, width: int) -> Buffer:
    """Undo gzip (deflate in a zlib frame, whose checksum is verified)."""
    try:
        return deflate.zlib_decompress(packed, size)
    except deflate.DeflateError as error:
        raise InputError(DAMAGED) from error


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
    """Return the elements of a chunk, in the byte order of the file.

    `filters` are numbers, in the order in which they were applied; bit ``i`` of `skipped` is set
    where filter ``i`` was not. The chunk must come to `size` bytes.
    """
    for position in reversed(range(len(filters))):
        if not skipped >> position & 1:
            raw = UNDO[filters[position]](raw, size, dtype.itemsize)
    if len(raw) != size:
        raise InputError(DAMAGED)
    return np.frombuffer(raw, dtype)
