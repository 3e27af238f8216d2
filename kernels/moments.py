"""Sums of each gene's counts over the cells of each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import frozen, frozen_csr
from .jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@kernel
def _add(
    indptr: Any, indices: Any, data: Any, group: Any, highest: Any, total: Any, square: Any
) -> None:
    for i in range(len(indptr) - 1):
        g = group[i]
        if g < 0:
            continue
        for k in range(indptr[i], indptr[i + 1]):
            gene = indices[k]
            value = min(float(data[k]), highest[g, gene])
            total[g, gene] += value
            square[g, gene] += value * value


def add_moments(
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    group: NDArray[Any],
    highest: NDArray[np.float64],
    total: NDArray[np.float64],
    square: NDArray[np.float64],
) -> None:
    """Add clipped counts and their squares to the sums of each group, in place.

    Parameters
    ----------
    indptr, indices, data
        CSR counts, as `cellport.kernels.arrays.frozen_csr` takes them; a gene once a cell.
    group
        int64 [cells], -1 for cells that belong to none.
    highest
        float64 [groups, genes], where counts are clipped.
    total, square
        float64 [groups, genes], added to.
    """
    counts = frozen_csr(indptr, indices, data)
    _add(*counts, frozen(group, np.int64), frozen(highest), total, square)
