"""The logarithm of counts, and the scale and limit beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import part


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
def scale_row(values: Any, columns: Any, cap: Any, scale: Any) -> None:
    """Turn the counts of one cell, in place, into ``min(count * scale, cap[column])``."""
    for k in range(len(values)):
        values[k] = min(values[k] * scale, cap[np.uint32(columns[k])])


@part
def log_normalise_row(values: Any, columns: Any, cap: Any, scale: Any) -> None:
    """Turn the counts of one cell, in place, into ``min(log1p(count * scale), cap[column])``."""
    for k in range(len(values)):
        values[k] = _log1p(values[k] * scale)
    for k in range(len(values)):
        values[k] = min(values[k], cap[np.uint32(columns[k])])
