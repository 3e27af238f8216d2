"""What the functions kept as machine code take: a structure each, declared here and only here.

A caller fills a class by name, `packed` checks it and lays it out as the `structure` of its fields,
and the loops get an object of the same class again (`cellport.kernels.entries`).
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import numpy as np

from .lanes import LANES, TILE

UInt8 = np.ndarray[Any, np.dtype[np.uint8]]
Int32 = np.ndarray[Any, np.dtype[np.int32]]
Int64 = np.ndarray[Any, np.dtype[np.int64]]
Float32 = np.ndarray[Any, np.dtype[np.float32]]
Float64 = np.ndarray[Any, np.dtype[np.float64]]


class AllCounts(NamedTuple):
    """What `cellport.kernels.check_loops.all_counts` takes."""

    values: Annotated[Float32, "values"]


class LinearFeatures(NamedTuple):
    """What `cellport.kernels.features_loops.linear_features` takes.

    Counts and results as in `cellport.kernels.features.linear_features`, of which the cells
    ``start:stop`` are done; `in_panel` to `target` as in its `QueryBasis`, `divisor` being 0 where
    counts are divided by nothing, 1 by those of the panel, 2 by the `counted` ones, `logged`
    whether log(1 + x) is taken, `wide` whether sums are in float64, and `twins` how many rows come
    again; and room: `columns` and `values` for the non-zeros of a tile of cells, `slot` and `ends`,
    which begin as 0, and `last`.
    """

    indptr: Annotated[Int64, "cells+1"]
    indices: Annotated[Int32, "nonzeros"]
    data: Annotated[Float32, "nonzeros"]
    in_panel: Annotated[UInt8, "genes"]
    counted: Annotated[UInt8, "genes"]
    row: Annotated[Int32, "genes"]
    distinct: int
    twin: Annotated[Int32, "rows"]
    twins: int
    basis: Annotated[Float32, "parts", "rows", "LANES"]
    cap: Annotated[Float32, "rows"]
    offset: Annotated[Float32, "parts", "LANES"]
    divisor: int
    logged: int
    wide: int
    target: float
    features: Annotated[Float32, "cells", "features"]
    library: Annotated[Float64, "cells"]
    columns: Annotated[Int32, "room"]
    values: Annotated[Float32, "room"]
    slot: Annotated[Int32, "rows"]
    ends: Annotated[Int64, "TILE+1"]
    last: Annotated[Float32, "LANES"]
    start: int
    stop: int


class GroupSums(NamedTuple):
    """What `cellport.kernels.group_sums_loops.group_sums` takes.

    As in `cellport.kernels.group_sums.add_group_sums`; `order` is that of the cells by group.
    """

    order: Annotated[Int64, "cells"]
    indptr: Annotated[Int64, "cells+1"]
    indices: Annotated[Int32, "nonzeros"]
    data: Annotated[Float32, "nonzeros"]
    group: Annotated[Int32, "cells"]
    column: Annotated[Int32, "genes"]
    parts: int
    total: Annotated[Int64, "groups", "columns"]


RESULTS = {AllCounts: ctypes.c_bool, GroupSums: None, LinearFeatures: None}
"""Every signature, and what its function returns."""

_LENGTHS = {"LANES": LANES, "TILE+1": TILE + 1}


class Field(NamedTuple):
    """A number or an array of a signature; axes of one name are equally long, a number has none."""

    name: str
    dtype: np.dtype[Any]
    axes: tuple[str, ...]


@cache
def fields(signature: type) -> tuple[Field, ...]:
    """Return the fields of a signature in order."""
    hints = get_type_hints(signature, include_extras=True)
    return tuple(_field(name, hint) for name, hint in hints.items())


def _field(name: str, hint: Any) -> Field:
    if hint in (int, float):
        return Field(name, np.dtype(np.int64 if hint is int else np.float64), ())
    array, *axes = get_args(hint)
    (element,) = get_args(get_args(array)[1])
    return Field(name, np.dtype(element), tuple(axes))


@cache
def structure(signature: type) -> type[ctypes.Structure]:
    """Return the C structure of a signature, in words of 64 bits.

    A number is a word; an array is its address, and a word for the length of each axis.
    """
    members: list[tuple[str, Any]] = []
    for name, dtype, axes in fields(signature):
        is_float = not axes and dtype == np.float64
        members.append((name, ctypes.c_double if is_float else ctypes.c_int64))
        members += [(f"{name}_{axis}", ctypes.c_int64) for axis in range(len(axes))]
    return type(signature.__name__, (ctypes.Structure,), {"_fields_": members})


def packed(arguments: tuple[Any, ...]) -> ctypes.Structure:
    """Put arguments into the structure of their signature.

    Parameters
    ----------
    arguments
        An object of a signature; its arrays must live as long as the structure is used.

    Raises
    ------
    TypeError
        A field is of another type than its signature says, or not laid out as C does.
    ValueError
        Axes of one name differ in length.
    """
    words: list[Any] = []
    lengths = dict(_LENGTHS)
    for field, value in zip(fields(type(arguments)), arguments, strict=True):
        if not field.axes:
            words.append(value)  # ctypes refuses what is no such number
            continue
        if not _is_array(value, field):
            raise TypeError(f"{field.name} must be {field.dtype} {field.axes} as in C: {value!r}")
        for axis, length in zip(field.axes, value.shape, strict=True):
            if lengths.setdefault(axis, length) != length:
                raise ValueError(f"{field.name} has {length} {axis} where {lengths[axis]} are due")
        words += [value.ctypes.data, *value.shape]
    return structure(type(arguments))(*words)


def _is_array(value: Any, field: Field) -> bool:
    if not (isinstance(value, np.ndarray) and value.dtype == field.dtype):
        return False
    return value.ndim == len(field.axes) and value.flags.c_contiguous and value.flags.aligned
