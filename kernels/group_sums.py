"""Sums of all counts of each gene over the cells of each group, exact in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import frozen, frozen_csr
from .machine_code import call
from .signatures import GroupSums

if TYPE_CHECKING:
    from numpy.typing import NDArray


def add_group_sums(
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    group: NDArray[np.int32],
    column: NDArray[np.int32],
    parts: int,
    total: NDArray[np.int64],
) -> None:
    """Add counts to the sums of each group, in place.

    Parameters
    ----------
    indptr, indices, data
        CSR counts from 0 on, as `cellport.kernels.arrays.frozen_csr` takes them; a gene any number
        of times in a cell.
    group
        int32 [cells], below the number of groups; -1 for cells that belong to none.
    column
        int32 [genes], where the sums of a gene stand; -1 for genes that are left out.
    parts
        Into how many parts a count is cut: whole numbers add up to the same in any order.
    total
        int64 [groups, columns], added to.
    """
    counts = frozen_csr(indptr, indices, data)
    groups, columns = frozen(group, np.int32), frozen(column, np.int32)
    # cells of one group after the other, so that its sums stay in the cache: a third faster
    order = np.argsort(group, kind="stable")
    call(GroupSums(order, *counts, groups, columns, parts, total))
