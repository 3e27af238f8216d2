"""Is this block a well-formed matrix of counts? Fast enough to ask of every block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .jit import frozen
from .machine_code import call

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
    from .check_loops import structure

    wide = np.uint64 if indptr.dtype == np.uint64 else np.int64
    return int(structure(frozen(indptr, wide), frozen(indices), n_genes))


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
    if values.dtype == np.float32 and call("all_counts", values, len(values)):
        return ValueCounts(0, 0, 0, 0)
    finite = values[np.isfinite(values)]
    nan = int(np.count_nonzero(np.isnan(values)))
    return ValueCounts(
        negative=int(np.count_nonzero(finite < 0)),
        nan=nan,
        infinite=len(values) - len(finite) - nan,
        fractional=int(np.count_nonzero(finite != np.floor(finite))),
    )
