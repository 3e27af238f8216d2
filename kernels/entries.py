"""Kernels as C functions, which need numba only to be compiled."""

from __future__ import annotations

from typing import Any

from numba import carray, cfunc, types

from .check_loops import all_counts
from .first_layer import LANES, TILE
from .first_layer_loops import first_layer
from .machine_code import FUNCTIONS


def _entry(function: Any) -> Any:
    result, *arguments = (_type(name) for name in FUNCTIONS[function.__name__.removesuffix("_")])
    return cfunc(result(*arguments))(function)


def _type(name: str) -> Any:
    kind = getattr(types, name.removesuffix("*"))
    return types.CPointer(kind) if name.endswith("*") else kind


@_entry
def all_counts_(values: Any, n: int) -> bool:
    """See `check_loops.all_counts`."""
    return all_counts(carray(values, (n,)))


@_entry
def first_layer_(
    indptr: Any, indices: Any, data: Any,
    in_panel: Any, row: Any, distinct: int, weight: Any, cap: Any, bias: Any, target: float,
    hidden: Any, library: Any, detected: Any,
    columns: Any, values: Any, slot: Any, ends: Any, last: Any,
    start: int, stop: int,
    n_nonzero: int, n_cells: int, n_hidden: int, n_genes: int, n_rows: int, room: int,
) -> None:  # fmt: skip
    """See `first_layer_loops.first_layer`."""
    parts = (n_hidden + LANES - 1) // LANES
    first_layer(
        carray(indptr, (n_cells + 1,)),
        carray(indices, (n_nonzero,)),
        carray(data, (n_nonzero,)),
        carray(in_panel, (n_genes,)),
        carray(row, (n_genes,)),
        distinct != 0,
        carray(weight, (parts, n_rows, LANES)),
        carray(cap, (n_rows,)),
        carray(bias, (parts * LANES,)),
        target,
        carray(hidden, (n_cells, n_hidden)),
        carray(library, (n_cells,)),
        carray(detected, (n_cells,)),
        carray(columns, (room,)),
        carray(values, (room,)),
        carray(slot, (n_rows,)),
        carray(ends, (TILE + 1,)),
        carray(last, (LANES,)),
        start,
        stop,
    )


ENTRIES = {"all_counts": all_counts_, "first_layer": first_layer_}
