"""The LZF decompressor of HDF5 files, with the GIL released (libraries hold it, or are C only)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import frozen
from .jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@kernel
def _unpack(packed: Any, out: Any) -> int:
    """Return how many bytes were written, or -1 when the input is no LZF stream of that size."""
    at, to, size, room = 0, 0, len(packed), len(out)
    while at < size:
        control = int(packed[at])
        at += 1
        if control < 32:
            length = control + 1
            if at + length > size or to + length > room:
                return -1
            for _ in range(length):
                out[to] = packed[at]
                at += 1
                to += 1
            continue
        length = control >> 5
        if length == 7:
            if at >= size:
                return -1
            length += int(packed[at])
            at += 1
        if at >= size:
            return -1
        back = to - (((control & 31) << 8) | int(packed[at])) - 1
        at += 1
        length += 2
        if back < 0 or to + length > room:
            return -1
        # One by one: the copy may overlap itself, which is how LZF repeats.
        for _ in range(length):
            out[to] = out[back]
            back += 1
            to += 1
    return to


def unpack_lzf(packed: bytes, size: int) -> NDArray[np.uint8] | None:
    """Undo LZF compression (Marc Lehmann's liblzf, which h5py carries as a filter).

    Parameters
    ----------
    packed
        Compressed bytes.
    size
        Number of bytes that must come out.

    Returns
    -------
    array or None
        uint8 [size]; None when the input does not decompress to `size` bytes. Never reads or
        writes out of bounds.
    """
    out = np.empty(size, np.uint8)
    written = _unpack(frozen(np.frombuffer(packed, np.uint8)), out)
    return out if written == size else None
