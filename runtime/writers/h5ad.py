"""Write results as AnnData's h5ad, with h5py alone."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import MappedBlock, Schema
from cellport.runtime.sources.block import CountBlock
from cellport.runtime.writers.anndata_layout import TEXT, cell_arrays, frame, tag, text, write_uns
from cellport.runtime.writers.patient_file import PatientFile

_COUNTS_CHUNK = 1 << 16
_TEXT = h5py.string_dtype()


class H5adSink:
    """An h5ad file being filled.

    Nothing is compressed, as anndata itself does by default: floats hardly shrink, and writing
    then costs next to nothing. ``X`` exists only where counts are copied.
    """

    def __init__(
        self, path: Path, schema: Schema, n_cells: int, counts_genes: NDArray[np.object_] | None
    ) -> None:
        self._disk = PatientFile(path)
        self._file = h5py.File(self._disk, "w")
        self._store = Hdf5()
        try:
            self._cells = cell_arrays(self._store, self._file, schema, n_cells)
            genes = np.empty(0, object) if counts_genes is None else counts_genes
            text(self._store, frame(self._store, self._file, "var", []), "_index", genes.tolist())
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
            for dataset, values in self._cells.of(block):
                dataset[rows] = values
        if self._counts is not None:
            if block.counts is None or block.counts.n_cells != block.n_cells:
                raise ValueError("every block needs its counts")
            self._counts.write(block.start, block.counts)
        self._disk.check()

    def finish(self, uns: Mapping[str, Any]) -> None:
        """Write ``uns`` and close the file."""
        write_uns(self._store, self._file, "uns", uns)
        self._file.close()
        self._disk.check()
        self._disk.close()

    def discard(self) -> None:
        """Close the file whatever its state."""
        with contextlib.suppress(Exception):
            self._file.close()
        with contextlib.suppress(OSError):
            self._disk.close()


class Hdf5:
    """How h5py makes what the layout asks for."""

    def array(self, parent: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """Allocate an array of numbers or of text."""
        return parent.create_dataset(name, shape, _TEXT if dtype == TEXT else dtype)

    def scalar(self, parent: Any, name: str, value: Any) -> Any:
        """Write a single number or str."""
        dtype = _TEXT if isinstance(value, str) else None
        return parent.create_dataset(name, data=value, dtype=dtype)

    def names(self, item: Any, key: str, values: Sequence[str]) -> None:
        """Write an attribute that lists names."""
        item.attrs.create(key, np.array(values, object), (len(values),), _TEXT)


class _CountsSink:
    """``X`` as CSR that grows with every block."""

    def __init__(self, file: h5py.File, n_cells: int, n_genes: int) -> None:
        group = file.create_group("X")
        tag(group, "csr_matrix", "0.1.0")
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
