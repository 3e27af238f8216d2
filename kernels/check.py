"""Are these values counts? Fast enough to ask of every block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arrays import frozen
from .machine_code import call
from .signatures import AllCounts

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ValueCounts(NamedTuple):
    """How many values cannot be counts, by reason."""

    negative: int
    nan: int
    infinite: int
    fractional: int


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
    if values.dtype == np.float32 and call(AllCounts(values)):
        return ValueCounts(0, 0, 0, 0)
    finite = values[np.isfinite(values)]
    nan = int(np.count_nonzero(np.isnan(values)))
    return ValueCounts(
        negative=int(np.count_nonzero(finite < 0)),
        nan=nan,
        infinite=len(values) - len(finite) - nan,
        fractional=int(np.count_nonzero(finite != np.floor(finite))),
    )
