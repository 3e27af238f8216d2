"""Is this block a well-formed matrix of counts? Fast enough to ask of every block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .jit import frozen, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRUCTURE_FAULTS = {
    1: "indptr is empty or does not begin with 0",
    2: "indptr decreases",
    3: "indptr points beyond the end of indices or data",
    4: "a gene index is negative or not below the number of genes",
}


class ValueCounts(NamedTuple):
    """How many values cannot be counts, by reason."""

    negative: int
    nan: int
    infinite: int
    fractional: int


@kernel
def _structure(indptr: Any, indices: Any, n_genes: int) -> int:
    if len(indptr) == 0 or indptr[0] != 0:
        return 1
    decreasing = False
    for i in range(len(indptr) - 1):
        decreasing |= indptr[i + 1] < indptr[i]
    if decreasing:
        return 2
    stop = indptr[-1]
    if stop > len(indices):
        return 3
    if stop == 0:
        return 0
    low = indices[0]
    high = indices[0]
    for k in range(stop):
        low = min(low, indices[k])
        high = max(high, indices[k])
    if low < 0 or high >= n_genes:
        return 4
    return 0


def check_structure(indptr: NDArray[Any], indices: NDArray[Any], n_genes: int) -> int:
    """Check that CSR arrays can be read without leaving them.

    Reads nothing out of bounds whatever the arrays hold. Entries behind ``indptr[-1]`` belong to
    no row and are not looked at.

    Parameters
    ----------
    indptr, indices
        Integer [n_rows + 1] and [n_nonzero].
    n_genes
        Number of columns.

    Returns
    -------
    int
        0 when all is well, else a key of `STRUCTURE_FAULTS`.
    """
    wide = np.uint64 if indptr.dtype == np.uint64 else np.int64
    return int(_structure(frozen(indptr, wide), frozen(indices), n_genes))


@kernel
def _all_counts(data: Any) -> bool:
    zero, infinity = np.float32(0), np.float32(np.inf)
    bad = False
    # An index, not an iterator, and float32 limits: only so does the loop vectorise.
    for k in range(len(data)):
        x = data[k]
        bad |= not ((x >= zero) & (x < infinity) & (x == np.floor(x)))
    return not bad


@kernel
def _reasons(data: Any) -> tuple[int, int, int, int]:
    negative, nan, infinite, fractional = 0, 0, 0, 0
    for x in data:
        if np.isnan(x):
            nan += 1
        elif np.isinf(x):
            infinite += 1
        else:
            negative += x < 0
            fractional += x != np.floor(x)
    return negative, nan, infinite, fractional


def check_values(data: NDArray[Any]) -> ValueCounts:
    """Count the values that cannot be counts.

    Parameters
    ----------
    data
        Any real dtype, [n_nonzero].

    Returns
    -------
    ValueCounts
        A value is NaN, or infinite, or finite and then possibly negative, fractional or both.
    """
    if data.dtype.kind in "bu":
        return ValueCounts(0, 0, 0, 0)
    if data.dtype.kind == "i":
        return ValueCounts(int(np.count_nonzero(data < 0)), 0, 0, 0)
    values = frozen(data)
    if _all_counts(values):
        return ValueCounts(0, 0, 0, 0)
    return ValueCounts(*_reasons(values))
