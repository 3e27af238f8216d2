"""Values of foreign files, asked for by what they have to be, or a sentence why they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.convert.models.pickles.held import Stub
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError

MOST_GENES = 1_000_000


def bad_field(title: str, field: str, wanted: str) -> InputError:
    """Return the error that a field of a model is not what it has to be."""
    return InputError(say("convert.bad_field", title=title, field=field, wanted=wanted))


def numbers(
    value: Any, shape: tuple[int | None, ...], title: str, field: str
) -> NDArray[np.float64 | np.float32]:
    """Return an array of finite numbers of a shape (None: any extent), as float32 or float64.

    Raises
    ------
    InputError
        It is something else.
    """
    wanted = " × ".join("n" if extent is None else str(extent) for extent in shape) or "one"
    wanted = f"{wanted} finite numbers"
    try:
        array = np.asarray(value) if isinstance(value, (int, float, list)) else value
    except ValueError:  # lists of unlike lengths
        raise bad_field(title, field, wanted) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise bad_field(title, field, wanted)
    fits = len(shape) == array.ndim and all(
        want in (None, extent) for want, extent in zip(shape, array.shape, strict=True)
    )
    kept = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize <= 4 else np.float64
    if not fits or not array.size or not np.isfinite(array).all():
        raise bad_field(title, field, wanted)
    return np.array(array, kept, order="C")


def texts(value: Any, title: str, field: str) -> tuple[str, ...]:
    """Return a list of names; numbers are written as Python writes them.

    Raises
    ------
    InputError
        It is something else.
    """
    if isinstance(value, Stub) and value.name.endswith("_new_Index") and len(value.args) == 2:
        value = value.args[1].get("data") if isinstance(value.args[1], dict) else None
    if isinstance(value, Stub) and value.name == "numpy.ndarray":
        value = value.items
    if isinstance(value, np.ndarray) and value.ndim == 1:
        if value.dtype.kind == "S":
            return tuple(one.decode("utf-8", "replace") for one in value.tolist())
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or len(value) > MOST_GENES:
        raise bad_field(title, field, "a list of names")
    if not all(isinstance(one, (str, int, float)) for one in value):
        raise bad_field(title, field, "a list of names")
    return tuple(map(str, value))


def plain(value: Any, depth: int = 0) -> Any:
    """Return settings as JSON holds them, two levels deep; whatever else is left out."""
    if isinstance(value, str):
        return value[:10_000]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth < 3 and isinstance(value, Mapping) and len(value) < 1000:
        return {str(key)[:200]: plain(one, depth + 1) for key, one in value.items()}
    if depth < 3 and isinstance(value, (list, tuple)) and len(value) < 1000:
        return [plain(one, depth + 1) for one in value]
    return None
