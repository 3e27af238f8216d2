"""How every kernel is compiled, in one place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

Kernel = TypeVar("Kernel", bound="Callable[..., Any]")

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def kernel(function: Kernel) -> Kernel:
    """Compile `function` on first use, cache it on disk, release the GIL in it.

    Kernels are single-threaded (`cellport.kernels.rows.over_rows` runs them on threads) and may
    fuse a multiply with an add, but never reorder a sum, so that a row gives the same bits
    whatever block or thread it is in. Division by zero follows IEEE, as in numpy: a loop that may
    raise cannot be vectorised. Numba recompiles when the file of a kernel changes, not when a file
    it imports does: what a kernel calls stands in its file.
    """
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
    return cast("Kernel", numba.njit(**_OPTIONS)(function))
