"""Products of matrices that leave the other processors alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Multiplications up to which OpenBLAS stays on the thread that asks: ``SMP_THRESHOLD_MIN`` times
# ``GEMM_MULTITHREAD_THRESHOLD`` of its interface/gemm.c.
_ON_ONE_THREAD = 1 << 18
# Rows below which pieces would cost more than threads that wait.
_FEWEST_ROWS = 64


def rows_times(rows: NDArray[np.floating], matrix: NDArray[np.floating]) -> NDArray[Any]:
    """Multiply many rows by a small matrix, on the thread that asks.

    OpenBLAS shares a larger product among all processors, and its threads then turn for some 30 ms
    in wait of the next: from block to block of a mapping that takes as much of the processors as
    the mapping itself. So the rows are taken in pieces that it does not share; where `matrix` is so
    large that few rows are enough for it, all at once.

    Parameters
    ----------
    rows
        [cells, n].
    matrix
        [n, m].

    Returns
    -------
    ndarray
        ``rows @ matrix``, [cells, m].
    """
    step = _ON_ONE_THREAD // max(matrix.size, 1)
    if step < _FEWEST_ROWS:
        return rows @ matrix
    out = np.empty((len(rows), matrix.shape[1]), np.result_type(rows, matrix))
    for start in range(0, len(rows), step):
        np.matmul(rows[start : start + step], matrix, out=out[start : start + step])
    return out
