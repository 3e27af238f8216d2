"""The loop that sums counts by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .jit import part

if TYPE_CHECKING:
    from .signatures import GroupSums


@part
def group_sums(of: GroupSums) -> None:
    """Add the counts of cells to the sums of their groups."""
    half = 0.5
    for i in range(len(of.group)):
        g = of.group[i]
        if g < 0:
            continue
        for k in range(of.indptr[i], of.indptr[i + 1]):
            c = of.column[of.indices[k]]
            if c >= 0:
                of.total[g, c] += np.int64(np.floor(np.float64(of.data[k]) * of.parts + half))
