"""Run a kernel over slices of rows, on threads."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def split_rows(indptr: NDArray[Any], parts: int) -> list[tuple[int, int]]:
    """Cut the rows of a CSR matrix into slices of nearly equal work.

    Parameters
    ----------
    indptr
        Integer [n_rows + 1], non-decreasing.
    parts
        Slices wanted, at least 1.

    Returns
    -------
    list of (int, int)
        Consecutive, non-empty ``(start, stop)`` that cover all rows; at most `parts`, none when
        there are no rows.
    """
    n_rows = len(indptr) - 1
    # A row costs its non-zeros and a little more, so that empty rows are shared out as well.
    work = (indptr - indptr[0]) + 16 * np.arange(n_rows + 1, dtype=np.int64)
    targets = work[-1] * np.arange(1, parts) / parts
    cuts = sorted({0, *np.searchsorted(work, targets).tolist(), n_rows})
    return list(pairwise(cuts))


def over_rows(
    kernel: Callable[..., Any],
    indptr: NDArray[Any],
    *arguments: Any,
    threads: int = 1,
    pool: Executor | None = None,
) -> None:
    """Call ``kernel(indptr, *arguments, row_start, row_stop)`` for slices that cover all rows.

    Parameters
    ----------
    kernel
        A kernel that releases the GIL and writes only to the rows it is given.
    indptr
        Integer [n_rows + 1], non-decreasing; slices have equal non-zeros.
    *arguments
        Passed on as they are.
    threads
        Number of slices.
    pool
        Where the slices run; it must not be the pool whose worker makes this call. Without one,
        a pool is made for the call when `threads` is more than 1.
    """
    slices = split_rows(indptr, max(1, threads))
    if len(slices) <= 1:
        for start, stop in slices:
            kernel(indptr, *arguments, start, stop)
        return
    if pool is None:
        with ThreadPoolExecutor(len(slices)) as own:
            over_rows(kernel, indptr, *arguments, threads=threads, pool=own)
        return
    futures = [pool.submit(kernel, indptr, *arguments, start, stop) for start, stop in slices]
    for future in futures:
        future.result()
