"""Log-normalise counts on the panel, without densifying them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .jit import frozen, kernel
from .rows import over_rows

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray


@kernel
def _log_normalise(
    indptr: Any, indices: Any, data: Any, library: Any, cap: Any, target: float, out: Any,
    start: int, stop: int,
) -> None:  # fmt: skip
    for i in range(start, stop):
        scale = np.float32(target / library[i] if library[i] > 0 else 0.0)
        for k in range(indptr[i], indptr[i + 1]):
            out[k] = min(np.log1p(np.float32(data[k]) * scale), cap[indices[k]])


def log_normalise(
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    library: NDArray[Any],
    cap: NDArray[Any],
    target: float,
    threads: int = 1,
    pool: Executor | None = None,
) -> NDArray[np.float32]:
    """Scale each cell to `target` counts, take log1p, limit each gene.

    Parameters
    ----------
    indptr, indices, data
        CSR counts on the panel, as `cellport.kernels.align.align` returns them.
    library
        Counts of each cell over the panel [n_cells]; a cell with 0 stays 0.
    cap
        Largest value of each panel gene [n_panel].
    target
        Counts a cell is scaled to.
    threads, pool
        As in `cellport.kernels.rows.over_rows`.

    Returns
    -------
    array
        float32 [n_nonzero]: ``min(log1p(count * target / library), cap)``, for the same `indptr`
        and `indices`.
    """
    out = np.empty(int(indptr[-1]), np.float32)
    over_rows(
        _log_normalise,
        frozen(indptr, np.int64),
        frozen(indices),
        frozen(data),
        frozen(library, np.float64),
        frozen(cap, np.float32),
        float(target),
        out,
        threads=threads,
        pool=pool,
    )
    return out
