"""How every kernel is compiled, in one place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Kernel = TypeVar("Kernel", bound="Callable[..., Any]")


_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def kernel(function: Kernel) -> Kernel:
    """Compile `function` on first use, cache it on disk, release the GIL in it.

    Kernels are single-threaded (`cellport.kernels.rows.over_rows` runs them on threads) and may
    fuse a multiply with an add, but never reorder a sum, so that a row gives the same bits
    whatever block or thread it is in. Division by zero follows IEEE, as in numpy: a loop that may
    raise cannot be vectorised. Numba recompiles when the file of a kernel changes, not when a file
    it imports does: touch both when you edit `normalise.py`.
    """
    import numba  # here, for who takes `frozen` alone from this module

    if os.path.expanduser("~") == "~":  # no home: numba would make a folder of that name here
        return part(function)
    try:
        return cast("Kernel", numba.njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # no folder for the cache can be written: neither ours nor the user's
        return part(function)


def part(function: Kernel) -> Kernel:
    """Compile `function` like a kernel, into whatever calls it: nothing is kept of it alone.

    `cellport.kernels.machine_code` keeps what is made of parts, and knows all of their files.
    """
    import numba

    return cast("Kernel", numba.njit(**_OPTIONS)(function))


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
