"""Arrays as the kernels take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHE_LINE = 64
"""Bytes of a cache line on x86-64 and most ARM, and of the widest vector that is read at once."""


def frozen(array: NDArray[Any], dtype: Any = None) -> NDArray[Any]:
    """Read-only, aligned, native C-order view of `array`; a copy only where none is possible.

    Writable and memory-mapped arrays then have one type for numba, hence one compilation.

    Parameters
    ----------
    array
        Any array.
    dtype
        Type to convert to; the array's own when None (float16 becomes float32, which numba needs).
    """
    wanted = np.dtype(array.dtype if dtype is None else dtype).newbyteorder("=")
    if wanted == np.float16:
        wanted = np.dtype(np.float32)
    view = np.require(array, dtype=wanted, requirements=["C", "A"]).view(np.ndarray)
    view.flags.writeable = False
    return view


def frozen_csr(
    indptr: NDArray[Any], indices: NDArray[Any], data: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """`frozen` arrays of a CSR matrix of counts, of the types that every kernel takes.

    Parameters
    ----------
    indptr, indices, data
        CSR arrays of any numeric types. The kernels trust them: whoever reads them from outside
        checks them first (`cellport.runtime.sources.csr_checks`).
    """
    return frozen(indptr, np.int64), frozen(indices, np.int32), frozen(data, np.float32)


def on_cache_lines(array: NDArray[Any]) -> NDArray[Any]:
    """Copy an array to memory that begins on a cache line.

    A vector as wide as a line, read from elsewhere, crosses two of them; numpy aligns to 16 bytes
    only. Sums of rows took 28 % less so, with AVX-512 on 4,000 rows (``benchmarks/kernels.md``).
    """
    room = np.empty(array.nbytes + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    there = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    there[...] = array
    return there
