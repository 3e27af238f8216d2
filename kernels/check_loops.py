"""The loop of the check of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .jit import part

if TYPE_CHECKING:
    from .signatures import AllCounts


@part
def all_counts(of: AllCounts) -> bool:
    """Tell whether all values are finite whole numbers from 0 on."""
    zero, infinity = np.float32(0), np.float32(np.inf)
    bad = False
    # An index, not an iterator, and float32 limits: only so does the loop vectorise.
    for k in range(len(of.values)):
        x = of.values[k]
        bad |= not ((x >= zero) & (x < infinity) & (x == np.floor(x)))
    return not bad
