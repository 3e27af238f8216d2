"""Compile the kernels that mapping needs ahead of time."""

from __future__ import annotations

import time

import numpy as np

from .check import check_structure, check_values
from .first_layer import encode_first_layer


def warmup() -> float:
    """Compile, or load from the cache, every kernel of mapping for the types that it sends.

    Returns
    -------
    float
        Seconds it took.
    """
    start = time.perf_counter()
    indptr = np.array([0, 1], np.int64)
    indices = np.zeros(1, np.int32)
    data = np.ones(1, np.float32)
    check_structure(indptr, indices, 1)
    check_values(data)
    one = np.ones(1, np.float32)
    encode_first_layer(indptr, indices, data, indices, one[None], one, one, 1e4)
    return time.perf_counter() - start
