"""The loops of the checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import kernel, part


@kernel
def structure(indptr: Any, indices: Any, n_genes: int) -> int:
    """Return the code of the first fault; see `cellport.kernels.check.check_structure`."""
    if len(indptr) == 0 or indptr[0] != 0:
        return 1
    decreasing = False
    for i in range(len(indptr) - 1):
        decreasing |= indptr[i + 1] < indptr[i]
    if decreasing:
        return 2
    stop = indptr[-1]
    if stop > len(indices):
        return 3
    if stop == 0:
        return 0
    low = indices[0]
    high = indices[0]
    for k in range(stop):
        low = min(low, indices[k])
        high = max(high, indices[k])
    if low < 0 or high >= n_genes:
        return 4
    return 0


@part
def all_counts(data: Any) -> bool:
    """Tell whether all values are finite whole numbers from 0 on."""
    zero, infinity = np.float32(0), np.float32(np.inf)
    bad = False
    # An index, not an iterator, and float32 limits: only so does the loop vectorise.
    for k in range(len(data)):
        x = data[k]
        bad |= not ((x >= zero) & (x < infinity) & (x == np.floor(x)))
    return not bad
