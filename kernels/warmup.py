"""Compile the kernels that mapping needs ahead of time."""

from __future__ import annotations

import time

from . import machine_code


def warmup() -> float:
    """Load the machine code of the path from counts to hidden layer, or compile and keep it.

    Returns
    -------
    float
        Seconds it took: the compilation the first time, later some milliseconds.
    """
    start = time.perf_counter()
    machine_code.load()
    return time.perf_counter() - start


def is_compiled() -> bool:
    """Tell at the cost of reading one small file whether nothing needs compiling."""
    return machine_code.is_kept()
