"""Write results as AnnData's h5ad, with h5py alone.

The layout follows AnnData's on-disk specification (encoding versions of anndata 0.8, which every
later version reads): https://anndata.readthedocs.io/en/latest/fileformat-prose.html
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cellport.runtime.results import Column, MappedBlock, Schema
from cellport.runtime.sources.block import CountBlock
from cellport.runtime.writers.patient_file import PatientFile

_COUNTS_CHUNK = 1 << 16
_TEXT = h5py.string_dtype()


class H5adSink:
    """An h5ad file being filled.

    Nothing is compressed, as anndata itself does by default: floats hardly shrink, and writing
    then costs next to nothing. ``X`` exists only where counts are copied.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        n_cells: int,
        counts_genes: NDArray[np.object_] | None,
    ) -> None:
        self._schema = schema
        self._disk = PatientFile(path)
        self._file = h5py.File(self._disk, "w")
        try:
            _tag(self._file, "anndata", "0.1.0")
            self._obs = _frame(self._file, "obs", [column.name for column in schema.columns])
            self._names = _array(self._obs, "_index", n_cells, _TEXT)
            self._columns = {
                column.name: _column(self._obs, column, n_cells) for column in schema.columns
            }
            obsm = _mapping(self._file, "obsm")
            self._obsm = {
                name: _array(obsm, name, (n_cells, width), np.float32)
                for name, width in schema.obsm.items()
            }
            for name in ("layers", "obsp", "varm", "varp"):
                _mapping(self._file, name)
            genes = np.empty(0, object) if counts_genes is None else counts_genes
            _text(_frame(self._file, "var", []), "_index", genes)
            self._counts = None
            if counts_genes is not None:
                self._counts = _CountsSink(self._file, n_cells, len(genes))
            self._disk.check()
        except BaseException:
            self.discard()
            raise

    def write(self, block: MappedBlock) -> None:
        """Write a block at its place."""
        rows = slice(block.start, block.start + block.n_cells)
        if block.n_cells:
            self._names[rows] = block.cell_names
            for name, dataset in self._columns.items():
                dataset[rows] = block.obs[name]
            for name, dataset in self._obsm.items():
                dataset[rows] = block.obsm[name]
        if self._counts is not None:
            if block.counts is None or block.counts.n_cells != block.n_cells:
                raise ValueError("every block needs its counts")
            self._counts.write(block.start, block.counts)
        self._disk.check()

    def finish(self, uns: Mapping[str, Any]) -> None:
        """Write ``uns`` and close the file."""
        _write_uns(self._file, "uns", uns)
        self._file.close()
        self._disk.check()
        self._disk.close()

    def discard(self) -> None:
        """Close the file whatever its state."""
        with contextlib.suppress(Exception):
            self._file.close()
        with contextlib.suppress(OSError):
            self._disk.close()


class _CountsSink:
    """``X`` as CSR that grows with every block."""

    def __init__(self, file: h5py.File, n_cells: int, n_genes: int) -> None:
        group = file.create_group("X")
        _tag(group, "csr_matrix", "0.1.0")
        group.attrs["shape"] = np.array([n_cells, n_genes], np.int64)
        self._indptr = group.create_dataset("indptr", n_cells + 1, np.int64)
        self._indices = self._growing(group, "indices", np.int32)
        self._data = self._growing(group, "data", np.float32)

    @staticmethod
    def _growing(group: h5py.Group, name: str, dtype: Any) -> h5py.Dataset:
        return group.create_dataset(name, 0, dtype, maxshape=(None,), chunks=(_COUNTS_CHUNK,))

    def write(self, start: int, counts: CountBlock) -> None:
        begin = len(self._data)
        end = begin + len(counts.data)
        self._indptr[start + 1 : start + 1 + counts.n_cells] = counts.indptr[1:] + begin
        for dataset, values in ((self._indices, counts.indices), (self._data, counts.data)):
            dataset.resize(end, axis=0)
            dataset[begin:end] = values


def _tag(item: h5py.Group | h5py.Dataset, encoding: str, version: str) -> None:
    item.attrs["encoding-type"] = encoding
    item.attrs["encoding-version"] = version


def _mapping(parent: h5py.Group, name: str) -> h5py.Group:
    group = parent.create_group(name)
    _tag(group, "dict", "0.1.0")
    return group


def _frame(parent: h5py.Group, name: str, columns: list[str]) -> h5py.Group:
    group = parent.create_group(name)
    _tag(group, "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    group.attrs.create("column-order", np.array(columns, object), (len(columns),), _TEXT)
    return group


def _array(parent: h5py.Group, name: str, shape: int | tuple[int, ...], dtype: Any) -> h5py.Dataset:
    dataset = parent.create_dataset(name, shape, dtype)
    _tag(dataset, *(("string-array", "0.2.0") if dtype is _TEXT else ("array", "0.2.0")))
    return dataset


def _text(parent: h5py.Group, name: str, values: Any) -> None:
    _array(parent, name, len(values), _TEXT)[...] = np.array(list(values), object)


def _column(obs: h5py.Group, column: Column, n_cells: int) -> h5py.Dataset:
    """Allocate an ``obs`` column and return the dataset that blocks are written to."""
    if column.kind != "category":
        dtype = {"float": np.float32, "bool": np.bool_, "text": _TEXT}[column.kind]
        return _array(obs, column.name, n_cells, dtype)
    group = obs.create_group(column.name)
    _tag(group, "categorical", "0.2.0")
    group.attrs["ordered"] = False
    _text(group, "categories", column.categories)
    smallest = np.min_scalar_type(-max(len(column.categories), 1))
    return _array(group, "codes", n_cells, smallest)


def _write_uns(parent: h5py.Group, name: str, value: Any) -> None:
    """Write a nested mapping; None is left out, mixed lists become JSON text."""
    if isinstance(value, Mapping):
        group = _mapping(parent, name)
        for key, inner in value.items():
            if inner is not None:
                _write_uns(group, str(key).replace("/", "_"), inner)
        return
    if isinstance(value, str):
        _tag(parent.create_dataset(name, data=value, dtype=_TEXT), "string", "0.2.0")
        return
    if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "biuf":
        _tag(parent.create_dataset(name, data=value), "numeric-scalar", "0.2.0")
        return
    if isinstance(value, list | tuple | np.ndarray):
        if all(isinstance(one, str) for one in value):
            _text(parent, name, value)
            return
        if _numeric(value):
            _tag(parent.create_dataset(name, data=np.asarray(value)), "array", "0.2.0")
            return
    _write_uns(parent, name, json.dumps(value, default=str))


def _numeric(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:
        return False
