"""Bring the genes of a query into the order of an atlas panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import frozen, frozen_csr
from .jit import kernel
from .rows import over_rows

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray


@kernel
def _align(
    indptr: Any,
    indices: Any,
    data: Any,
    panel_column: Any,
    n_panel: int,
    columns: Any,
    values: Any,
    kept: Any,
    start: int,
    stop: int,
) -> None:
    total = np.zeros(n_panel)
    for i in range(start, stop):
        for k in range(indptr[i], indptr[i + 1]):
            column = panel_column[indices[k]]
            if column >= 0:
                total[column] += data[k]
        write = indptr[i]
        for column in range(n_panel):
            if total[column] != 0:
                columns[write] = column
                values[write] = total[column]
                write += 1
                total[column] = 0
        kept[i] = write - indptr[i]


@kernel
def _pack(
    indptr: Any, columns: Any, values: Any, packed: Any, indices: Any, data: Any,
    start: int, stop: int,
) -> None:  # fmt: skip
    for i in range(start, stop):
        shift = indptr[i] - packed[i]
        for k in range(packed[i], packed[i + 1]):
            indices[k] = columns[k + shift]
            data[k] = values[k + shift]


def align(
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    panel_column: NDArray[Any],
    n_panel: int,
    threads: int = 1,
    pool: Executor | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Select, reorder and sum the columns of a CSR matrix into the panel.

    Parameters
    ----------
    indptr, indices, data
        CSR counts of the query, as `cellport.kernels.arrays.frozen_csr` takes them; indices in any
        order, the same gene any number of times.
    panel_column
        Integer [n_query_genes], panel position of each query gene or -1. Query genes with the
        same position are summed.
    n_panel
        Number of panel genes.
    threads, pool
        As in `cellport.kernels.rows.over_rows`.

    Returns
    -------
    tuple of arrays
        int64 indptr [n_cells + 1], int32 indices ascending within a row, float32 data: no zeros.
    """
    indptr, *query = frozen_csr(indptr, indices, data)
    column = frozen(panel_column, np.int32)
    room = int(indptr[-1])
    columns = np.empty(room, np.int32)
    values = np.empty(room, np.float32)
    packed = np.zeros(len(indptr), np.int64)
    over_rows(
        _align, indptr, *query, column, n_panel, columns, values, packed[1:],
        threads=threads, pool=pool,
    )  # fmt: skip
    np.cumsum(packed, out=packed)
    out_indices = np.empty(packed[-1], np.int32)
    out_data = np.empty(packed[-1], np.float32)
    over_rows(
        _pack, indptr, columns, values, packed, out_indices, out_data, threads=threads, pool=pool
    )
    return packed, out_indices, out_data
