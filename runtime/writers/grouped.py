"""Write sums of groups of cells as AnnData's h5ad: a row a group, a column a gene."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import Column
from cellport.runtime.writers.anndata_layout import (
    array,
    column,
    frame,
    group,
    tag,
    text,
    write_uns,
)
from cellport.runtime.writers.h5ad import Hdf5

# rows of a chunk: one group is read at a time
_CHUNK_GENES = 1 << 14


@dataclass(frozen=True, slots=True)
class GroupRows:
    """What is said of each group."""

    names: Sequence[str]
    columns: Mapping[str, Sequence[str]]  # a text of each group
    numbers: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # a number of each group


@dataclass(frozen=True, slots=True)
class GroupTable:
    """Sums of groups of cells."""

    rows: GroupRows
    genes: NDArray[np.object_]  # names
    flags: Mapping[str, NDArray[np.bool_]]  # of each gene
    counts: NDArray[np.int64]  # [groups, genes]
    matrices: Mapping[str, NDArray[Any]]  # [groups, ...] each, beside the counts


def grouped_h5ad(table: GroupTable, uns: Mapping[str, Any]) -> bytes:
    """Return the file."""
    made, store, rows = io.BytesIO(), Hdf5(), table.rows
    with h5py.File(made, "w") as file:
        tag(file, "anndata", "0.1.0")
        obs = frame(store, file, "obs", [*rows.columns, *rows.numbers])
        text(store, obs, "_index", list(rows.names))
        for name, values in rows.columns.items():
            categories = tuple(dict.fromkeys(values))
            code = {value: at for at, value in enumerate(categories)}
            codes = column(store, obs, Column(name, "category", categories), len(values))
            codes[:] = [code[value] for value in values]
        for name, numbers in rows.numbers.items():
            array(store, obs, name, numbers.shape, numbers.dtype)[:] = numbers
        var = frame(store, file, "var", list(table.flags))
        text(store, var, "_index", table.genes.tolist())
        for name, flag in table.flags.items():
            array(store, var, name, flag.shape, np.bool_)[:] = flag
        _write_counts(file, table.counts)
        obsm = group(file, "obsm")
        for name, matrix in table.matrices.items():
            array(store, obsm, name, matrix.shape, matrix.dtype)[...] = matrix
        for name in ("layers", "obsp", "varm", "varp"):
            group(file, name)
        write_uns(store, file, "uns", uns)
    return made.getvalue()


def _write_counts(file: h5py.File, counts: NDArray[np.int64]) -> None:
    """Write ``X``; of many groups most genes have few counts, so it shrinks by ten."""
    chunk = (1, min(_CHUNK_GENES, counts.shape[1])) if counts.size else None
    how = {"chunks": chunk, "compression": "gzip", "compression_opts": 1} if chunk else {}
    tag(file.create_dataset("X", data=counts, **how), "array", "0.2.0")
