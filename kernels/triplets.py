"""Numbers out of the text of a MatrixMarket file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import frozen
from .jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Powers of ten that a double holds exactly: results with fewer than 16 digits are then
# correctly rounded (Clinger 1990).
_EXACT_POWERS = np.array([10.0**power for power in range(23)])


@kernel
def _skip_blanks(text: Any, at: int) -> int:
    while at < len(text) and (text[at] == 32 or text[at] == 9 or text[at] == 13):
        at += 1
    return at


@kernel
def _integer(text: Any, at: int) -> tuple[int, int]:
    """Return a whole number of at most 18 digits and the place behind it, or -1 for a fault."""
    start, value = at, 0
    while at < len(text) and 48 <= text[at] <= 57:
        value = value * 10 + (text[at] - 48)
        at += 1
        if at - start > 18:
            return 0, -1
    return (value, at) if at > start else (0, -1)


@kernel
def _number(text: Any, at: int, powers: Any) -> tuple[float, int]:
    """Return a decimal number and the place behind it, or -1 for a fault."""
    negative = at < len(text) and text[at] == 45
    if at < len(text) and (text[at] == 45 or text[at] == 43):
        at += 1
    mantissa, digits, scale, seen, point = 0, 0, 0, 0, False
    while at < len(text):
        letter = text[at]
        if letter == 46 and not point:
            point = True
        elif 48 <= letter <= 57:
            seen += 1
            if digits < 18:
                mantissa = mantissa * 10 + (letter - 48)
                digits += mantissa > 0
                scale -= point
            else:
                scale += not point
        else:
            break
        at += 1
    if seen == 0:
        return 0.0, -1
    if at < len(text) and (text[at] == 101 or text[at] == 69):
        at += 1
        minus = at < len(text) and text[at] == 45
        if at < len(text) and (text[at] == 45 or text[at] == 43):
            at += 1
        exponent, at = _integer(text, at)
        if at < 0:
            return 0.0, -1
        exponent = min(exponent, 10_000)
        scale += -exponent if minus else exponent
    value = float(mantissa)
    if 0 <= scale <= 22:
        value *= powers[scale]
    elif -22 <= scale < 0:
        value /= powers[-scale]
    elif mantissa != 0:
        value *= 10.0**scale
    return (-value if negative else value), at


@kernel
def _parse(
    text: Any, with_values: bool, powers: Any, rows: Any, columns: Any, values: Any
) -> tuple[int, int]:
    n, at, size = 0, 0, len(text)
    while at < size:
        line = at
        at = _skip_blanks(text, at)
        if at >= size:
            break
        if text[at] == 10:
            at += 1
            continue
        row, at = _integer(text, at)
        if at < 0 or at >= size or (text[at] != 32 and text[at] != 9):
            return n, line
        column, at = _integer(text, _skip_blanks(text, at))
        if at < 0:
            return n, line
        value = 1.0
        if with_values:
            if at >= size or (text[at] != 32 and text[at] != 9):
                return n, line
            value, at = _number(text, _skip_blanks(text, at), powers)
            if at < 0:
                return n, line
        at = _skip_blanks(text, at)
        if at < size and text[at] != 10:
            return n, line
        at += 1
        rows[n], columns[n], values[n] = row, column, value
        n += 1
    return n, -1


def parse_triplets(
    text: bytes, with_values: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], int]:
    """Parse lines of ``row column value``.

    Parameters
    ----------
    text
        Whole lines; the last may lack its newline.
    with_values
        False for lines of ``row column``, whose values are then 1.

    Returns
    -------
    rows, columns, values
        int64, int64 and float32 [n_lines], as written in the file (from 1); empty lines skipped.
    fault
        Offset of the first line that is no triplet, -1 when there is none.
    """
    letters = frozen(np.frombuffer(text, np.uint8))
    room = int(np.count_nonzero(letters == 10)) + 1
    rows, columns = np.empty(room, np.int64), np.empty(room, np.int64)
    values = np.empty(room, np.float32)
    n, fault = _parse(letters, with_values, _EXACT_POWERS, rows, columns, values)
    return rows[:n], columns[:n], values[:n], int(fault)
