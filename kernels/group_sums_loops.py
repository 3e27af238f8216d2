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
    parts, half = np.float64(of.parts), 0.5
    for j in range(len(of.order)):
        i = of.order[j]
        if of.group[i] < 0:
            continue
        # places without a sign: none of them is looked at from the end
        row = of.total[np.uint64(of.group[i])]
        for k in range(np.uint64(of.indptr[i]), np.uint64(of.indptr[i + 1])):
            c = of.column[np.uint64(of.indices[k])]
            if c >= 0:
                row[np.uint64(c)] += np.int64(np.float64(of.data[k]) * parts + half)
