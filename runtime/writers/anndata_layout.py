"""AnnData's on-disk layout, the same in h5ad files and in zarr stores.

Encoding versions are those of anndata 0.8, which every later version reads:
https://anndata.readthedocs.io/en/latest/fileformat-prose.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import Column, MappedBlock, Schema

TEXT = "text"
"""Type of arrays of str."""


class Store(Protocol):
    """What differs between HDF5 and zarr; a group or array is whatever the library makes of it."""

    def array(self, parent: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """Allocate an array of numbers, or of `TEXT`, that takes slices of rows."""

    def scalar(self, parent: Any, name: str, value: Any) -> Any:
        """Write a single number or str."""

    def names(self, item: Any, key: str, values: Sequence[str]) -> None:
        """Write an attribute that lists names."""


def tag(item: Any, encoding: str, version: str) -> None:
    """Say what a group or array is."""
    item.attrs["encoding-type"] = encoding
    item.attrs["encoding-version"] = version


def group(parent: Any, name: str) -> Any:
    """Make a group that maps names to elements."""
    made = parent.create_group(name)
    tag(made, "dict", "0.1.0")
    return made


def frame(store: Store, parent: Any, name: str, columns: Sequence[str]) -> Any:
    """Make a table with an index and columns that are yet to come."""
    made = parent.create_group(name)
    tag(made, "dataframe", "0.2.0")
    made.attrs["_index"] = "_index"
    store.names(made, "column-order", columns)
    return made


def array(store: Store, parent: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Allocate an array."""
    made = store.array(parent, name, shape, dtype)
    tag(made, *(("string-array", "0.2.0") if dtype == TEXT else ("array", "0.2.0")))
    return made


def text(store: Store, parent: Any, name: str, values: Sequence[str]) -> None:
    """Write an array of str."""
    made = array(store, parent, name, (len(values),), TEXT)
    if len(values):
        made[:] = np.array(list(values), object)


def column(store: Store, obs: Any, of: Column, n_cells: int) -> Any:
    """Allocate an ``obs`` column and return the array that blocks are written to."""
    if of.kind != "category":
        dtype = {"float": np.float32, "bool": np.bool_, "text": TEXT}[of.kind]
        return array(store, obs, of.name, (n_cells,), dtype)
    made = obs.create_group(of.name)
    tag(made, "categorical", "0.2.0")
    made.attrs["ordered"] = False
    text(store, made, "categories", of.categories)
    smallest = np.min_scalar_type(-max(len(of.categories), 1))
    return array(store, made, "codes", (n_cells,), smallest)


@dataclass(frozen=True, slots=True)
class CellArrays:
    """Everything in a file that has a row a cell."""

    names: Any
    obs: dict[str, Any]
    obsm: dict[str, Any]

    def of(self, block: MappedBlock) -> Iterator[tuple[Any, NDArray[Any]]]:
        """Yield each array and what a block puts into it."""
        yield self.names, block.cell_names
        yield from ((array, block.obs[name]) for name, array in self.obs.items())
        yield from ((array, block.obsm[name]) for name, array in self.obsm.items())


def cell_arrays(store: Store, root: Any, schema: Schema, n_cells: int) -> CellArrays:
    """Allocate the names of cells, ``obs`` columns and ``obsm`` matrices."""
    tag(root, "anndata", "0.1.0")
    obs = frame(store, root, "obs", [of.name for of in schema.columns])
    names = array(store, obs, "_index", (n_cells,), TEXT)
    columns = {of.name: column(store, obs, of, n_cells) for of in schema.columns}
    obsm = group(root, "obsm")
    matrices = {
        name: array(store, obsm, name, (n_cells, width), np.float32)
        for name, width in schema.obsm.items()
    }
    for name in ("layers", "obsp", "varm", "varp"):
        group(root, name)
    return CellArrays(names, columns, matrices)


def write_uns(store: Store, parent: Any, name: str, value: Any) -> None:
    """Write a nested mapping; None is left out, mixed lists become JSON text."""
    if isinstance(value, Mapping):
        made = group(parent, name)
        for key, inner in value.items():
            if inner is not None:
                write_uns(store, made, str(key).replace("/", "_"), inner)
        return
    if isinstance(value, str):
        tag(store.scalar(parent, name, value), "string", "0.2.0")
        return
    if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "biuf":
        tag(store.scalar(parent, name, value), "numeric-scalar", "0.2.0")
        return
    if isinstance(value, list | tuple | np.ndarray):
        if all(isinstance(one, str) for one in value):
            text(store, parent, name, list(value))
            return
        if _numeric(value):
            numbers = np.asarray(value)
            array(store, parent, name, numbers.shape, numbers.dtype)[...] = numbers
            return
    write_uns(store, parent, name, json.dumps(value, default=str))


def _numeric(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:
        return False
