"""Log-normalise counts on the panel, without densifying them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .jit import frozen, kernel, part
from .rows import over_rows

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray


@part
def _log1p(x: Any) -> Any:
    """``log(1 + x)`` in float32 for ``x >= 0``, at most 1 unit in the last place off.

    The method of FreeBSD's and musl's ``log1pf``, without branches so that it vectorises.
    """
    one = np.float32(1)
    u = one + x
    bits = np.int32(np.float32(u).view(np.int32) + np.int32(0x004AFB0D))
    exponent = np.int32((bits >> np.int32(23)) - np.int32(127))
    lost = (one - (u - x) if exponent >= 2 else x - (u - one)) / u
    mantissa = np.int32((bits & np.int32(0x007FFFFF)) + np.int32(0x3F3504F3))
    f = mantissa.view(np.float32) - one
    s = f / (np.float32(2) + f)
    z = s * s
    w = z * z
    even = w * (np.float32(0.40000972152) + w * np.float32(0.24279078841))
    odd = z * (np.float32(0.66666662693) + w * np.float32(0.28498786688))
    half = np.float32(0.5) * f * f
    e = np.float32(exponent)
    rest = s * (half + even + odd) + (e * np.float32(9.0580006145e-06) + lost)
    return rest - half + f + e * np.float32(0.69313812256)


@part
def log_normalise_row(values: Any, columns: Any, cap: Any, scale: Any) -> None:
    """Turn the counts of one cell, in place, into ``min(log1p(count * scale), cap[column])``."""
    for k in range(len(values)):
        values[k] = _log1p(values[k] * scale)
    for k in range(len(values)):
        values[k] = min(values[k], cap[np.uint32(columns[k])])


@kernel
def _log_normalise(
    indptr: Any, indices: Any, values: Any, library: Any, cap: Any, target: float,
    start: int, stop: int,
) -> None:  # fmt: skip
    for i in range(start, stop):
        scale = np.float32(target / library[i] if library[i] > 0 else 0.0)
        begin, end = indptr[i], indptr[i + 1]
        log_normalise_row(values[begin:end], indices[begin:end], cap, scale)


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
    values = np.array(data[: int(indptr[-1])], np.float32)
    over_rows(
        _log_normalise,
        frozen(indptr, np.int64),
        frozen(indices, np.int32),
        values,
        frozen(library, np.float64),
        frozen(cap, np.float32),
        float(target),
        threads=threads,
        pool=pool,
    )
    return values
