"""Compile the kernels that mapping needs ahead of time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from . import first_layer as module
from .check import check_structure, check_values
from .first_layer import encode_first_layer


def warmup() -> float:
    """Compile, or load from the cache, the kernels of the path from counts to hidden layer.

    Returns
    -------
    float
        Seconds it took: the compilation the first time, later the start of numba.
    """
    start = time.perf_counter()
    indptr = np.array([0, 1], np.int64)
    gene = np.zeros(1, np.int32)
    one = np.ones(1, np.float32)
    check_structure(indptr, gene, 1)
    check_values(one)
    encode_first_layer(indptr, gene, one, gene, one[None], one, one, 1e4)
    return time.perf_counter() - start


def is_compiled() -> bool:
    """Tell at the cost of listing a folder whether the first layer's kernel is in the cache.

    A cache from before a change of the kernel, numba or the processor may count as compiled:
    good enough to decide on a message.
    """
    kernel: Any = module.first_layer
    source = Path(module.__file__).stat().st_mtime
    cached = Path(kernel.stats.cache_path or "").glob("first_layer.first_layer-*.nbi")
    return any(index.stat().st_mtime >= source for index in cached)
