"""Numbers as people read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# the sign stays on the line of its number
_PERCENT = "\u00a0%"


def number(value: int) -> str:
    """Return a whole number with separators."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """Return a number with its noun, which takes an s for several."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def most_first(cells: NDArray[np.int64]) -> list[int]:
    """Return the positions of numbers of cells, int64 [k], most first, without those of none."""
    return [at for at in np.argsort(-cells, kind="stable").tolist() if cells[at]]


def percent(part: float, whole: float) -> str:
    """Return a share in words of percent, never rounded to none or all when it is neither."""
    share = 100 * part / whole if whole > 0 else 0.0
    if 0 < share < 0.1:
        return f"under 0.1{_PERCENT}"
    if 99.9 < share < 100:
        return f"over 99.9{_PERCENT}"
    if 0 < share < 2 or 98 < share < 100:
        return f"{round(share, 1):g}{_PERCENT}"
    return f"{share:.0f}{_PERCENT}"
