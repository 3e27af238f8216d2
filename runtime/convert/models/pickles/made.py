"""Values that pickles call for by name: numpy's arrays and Python's own collections."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from cellport.runtime.convert.models.pickles.held import PLACE, Budget, Growing, Name, Stub, key_of

_MOST_DIMENSIONS = 8
_NUMBERS = re.compile(r"[<>|=]?(?:[?biufc][0-9]{0,2}|[SUV][0-9]{1,9}|O8?|[mM]8?.{0,16})")
Maker = Callable[[Budget, tuple[Any, ...]], Any]


def maker_of(dotted: str) -> Maker | None:
    """Return what makes a value of a call of this name, or None where there is only a stub."""
    homes = ("numpy", "builtins", "__builtin__", "collections", "_codecs")
    return _MAKERS.get(dotted.rpartition(".")[2]) if dotted.partition(".")[0] in homes else None


def build(budget: Budget, held: Growing, state: Any) -> Any:
    """Return the array, or its type, that a state makes of one that was only named."""
    return _BUILDERS[held.kind](budget, held, state)


def _dtype(budget: Budget, args: tuple[Any, ...]) -> Growing:
    name = args[0]
    if not isinstance(name, str) or not _NUMBERS.fullmatch(name):
        raise budget.refuse("an array of an unusual type")
    return Growing("dtype", np.dtype(name))


def _build_dtype(budget: Budget, held: Growing, state: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = held.done
    if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None):
        raise budget.refuse("an array of an unusual type")
    return dtype.newbyteorder(state[1]) if state[1] in ("<", ">") else dtype


def _reconstruct(budget: Budget, args: tuple[Any, ...]) -> Growing:
    if not (isinstance(args[0], Name) and args[0].dotted == "numpy.ndarray"):
        raise budget.refuse("an array of an unusual kind")
    return Growing("array")


def _build_array(budget: Budget, held: Growing, state: Any) -> Any:
    if held.done is not None or not isinstance(state, tuple) or len(state) not in (4, 5):
        raise ValueError("an array twice")
    shape, dtype, fortran, data = state[-4:]
    return _array(budget, data, dtype, shape, "F" if fortran else "C")


def _array(budget: Budget, data: Any, dtype: Any, shape: Any, order: Any) -> Any:
    if not isinstance(dtype, np.dtype):
        raise TypeError("no type")
    if not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS:
        raise ValueError("no shape")
    count = 1
    for extent in shape:
        if type(extent) is not int or extent < 0:
            raise ValueError("no shape")
        count *= extent
    if order not in ("C", "F"):
        raise ValueError("no order")
    if dtype.hasobject:
        return _objects(budget, data, shape, count, order)
    raw = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != count * dtype.itemsize:
        raise ValueError("as many bytes as its shape wants")
    budget.spend(2 * len(raw))
    dtype = np.dtype("i8") if dtype.kind in "mM" else dtype
    if not dtype.itemsize:
        raise ValueError("numbers of no size")
    return np.frombuffer(raw, dtype).reshape(shape, order=order)


def _objects(budget: Budget, data: Any, shape: tuple[int, ...], count: int, order: Any) -> Any:
    """Texts are an array; whatever else is a stub, which nothing that matters needs."""
    if not isinstance(data, list) or len(data) != count:
        raise ValueError("as many objects as its shape wants")
    budget.spend(PLACE * count)
    if not all(isinstance(one, str) for one in data):
        return Stub("numpy.ndarray", (shape,), None, data)
    found = np.empty(count, object)
    found[:] = data
    return found.reshape(shape, order=order)


def _scalar(budget: Budget, args: tuple[Any, ...]) -> Any:
    dtype, raw = args
    one = _array(budget, raw, dtype, (), "C")
    return one.item() if isinstance(one, np.ndarray) else one


def _frombuffer(budget: Budget, args: tuple[Any, ...]) -> Any:
    data, dtype, shape, order = args
    return _array(budget, data, dtype, shape, order)


# Python's own
def _encode(budget: Budget, args: tuple[Any, ...]) -> bytes:
    text, encoding = args
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise budget.refuse("an unusual encoding")
    budget.spend(len(text))
    return text.encode(encoding)


def _bytes(budget: Budget, args: tuple[Any, ...]) -> bytes:
    if not args:
        return b""
    (given,) = args[:1]
    if isinstance(given, str) and args[1:] in (("latin-1",), ("latin1",)):
        return _encode(budget, (given, "latin1"))
    if not isinstance(given, (bytes, bytearray, list)):
        raise budget.refuse("unusual bytes")
    budget.spend(len(given))
    return bytes(given)


def _mapping(budget: Budget, args: tuple[Any, ...]) -> dict[Any, Any]:
    given = args[-1] if args and not isinstance(args[-1], Name) else ()
    pairs = list(given.items()) if isinstance(given, dict) else given
    budget.spend(200 + 200 * len(pairs or ()))
    return {key_of(key): value for key, value in pairs or ()}


def _set(budget: Budget, args: tuple[Any, ...]) -> set[Any]:
    given = args[0] if args else []
    if not isinstance(given, (list, tuple, set)):
        raise TypeError("no set")
    budget.spend(120 * len(given))
    return {key_of(one) for one in given}


_MAKERS: dict[str, Maker] = {
    "_reconstruct": _reconstruct,
    "dtype": _dtype,
    "scalar": _scalar,
    "_frombuffer": _frombuffer,
    "encode": _encode,
    "bytes": _bytes,
    "bytearray": _bytes,
    "OrderedDict": _mapping,
    "defaultdict": _mapping,
    "dict": _mapping,
    "set": _set,
    "frozenset": _set,
}
_BUILDERS = {"dtype": _build_dtype, "array": _build_array}
