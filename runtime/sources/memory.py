"""Counts that are in memory already: AnnData objects, and matrices with gene names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cellport.runtime.decisions import say, text
from cellport.runtime.errors import InputError
from cellport.runtime.sources.anndata_layout import RAW, fitted, read_matrix
from cellport.runtime.sources.annotations import as_text, is_array
from cellport.runtime.sources.csc import CscMatrix
from cellport.runtime.sources.csr import CsrMatrix
from cellport.runtime.sources.dense import DenseMatrix
from cellport.runtime.sources.lazy import LazyMatrix, is_lazy
from cellport.runtime.sources.source import Beside, Candidate, Container, Frame, Matrix, Text
from cellport.runtime.sources.trouble import damaged, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

ANNDATA = "the AnnData object"
MATRIX = text("memory.where")


def is_anndata(query: Any) -> bool:
    """Tell whether an object looks like an AnnData, without importing anndata."""
    return all(hasattr(query, name) for name in ("obs", "var", "layers", "obs_names"))


def open_anndata(adata: Any, threads: int) -> Container:
    """Open an AnnData; a backed or lazy one is read in blocks, nothing is copied."""

    def of_genes(owner: Any, name: str) -> Frame:
        return frame_of_pandas(_in_memory(owner.var), f"{ANNDATA}, {name}")

    cells = frame_of_table(adata.obs, f"{ANNDATA}, obs")
    genes = of_genes(adata, "var")

    def candidate(name: str, get: Callable[[], Any]) -> Candidate:
        where = f"{ANNDATA}, {name}"
        with readable(where):
            matrix = matrix_of_object(get(), where, threads)
        own = of_genes(adata.raw, "raw/var") if name == RAW else genes
        return fitted(name, matrix, cells, own)

    candidates = {}
    if getattr(adata, "isbacked", False) or adata.X is not None:
        candidates["X"] = partial(candidate, "X", lambda: adata.X)
    if adata.raw is not None:
        candidates["raw"] = partial(candidate, RAW, lambda: adata.raw.X)
    # since anndata 0.13 the layer None is X
    for key in (one for one in adata.layers if one is not None):
        get, place = partial(adata.layers.__getitem__, key), f"layers['{key}']"
        candidates[place if key in candidates else key] = partial(candidate, place, get)
    if not candidates:
        raise InputError(f"{ANNDATA} has no X, no layers and no raw; there are no counts in it.")
    return Container(ANNDATA, candidates, cells, beside=_beside(adata))


def _beside(adata: Any) -> Beside:
    def matrix(name: str) -> NDArray[np.float32] | None:
        with readable(f"{ANNDATA}, obsm['{name}']"):
            return np.asarray(adata.obsm[name], np.float32) if name in adata.obsm else None

    def text(name: str) -> str | None:
        return str(adata.uns[name]) if name in adata.uns else None

    return Beside(matrix, text)


def open_arrays(
    matrix: Any, gene_names: Sequence[str], cell_names: Sequence[str] | None, threads: int
) -> Container:
    """Open a matrix, cells by genes, with the names of its genes and, if there are any, cells."""
    opened = matrix_of_object(matrix, MATRIX, threads)
    genes = frame_of_names(gene_names, f"{MATRIX}, gene names")
    if genes.length != opened.n_genes:
        raise InputError(
            f"{MATRIX} has {opened.n_genes} columns and there are {genes.length} gene names; "
            "rows are cells and columns are genes."
        )
    where = f"{MATRIX}, cell names"
    if cell_names is None:
        cells = Frame(where, opened.n_cells, lambda start, stop: as_text(np.arange(start, stop)))
    else:
        cells = frame_of_names(cell_names, where)
    if cells.length != opened.n_cells:
        raise InputError(
            say("memory.other_cells", where=MATRIX, cells=opened.n_cells, names=cells.length)
        )
    return Container(MATRIX, {"X": partial(fitted, "X", opened, cells, genes)}, cells)


def matrix_of_object(matrix: Any, where: str, threads: int) -> Matrix:
    """Open a matrix object without copying it where its kind allows."""
    if hasattr(matrix, "group") and hasattr(matrix, "format"):
        return read_matrix(matrix.group, where, threads, lambda array, name: None)
    if is_lazy(matrix):
        return LazyMatrix(where, matrix, lambda piece, place: _computed(piece, place, threads))
    kind = getattr(matrix, "format", "")
    if hasattr(matrix, "tocsr") and kind not in ("csr", "csc"):
        matrix, kind = matrix.tocsr(), "csr"
    if kind in ("csr", "csc"):
        n_cells, n_genes = (int(n) for n in matrix.shape)
        arrays = (matrix.indptr, matrix.indices, matrix.data)
        compressed = CscMatrix if kind == "csc" else CsrMatrix
        return compressed(where, n_cells, n_genes, *arrays, threads, strict=False)
    if isinstance(matrix, np.ndarray):
        return DenseMatrix(where, np.asarray(matrix))
    if is_array(matrix):
        return DenseMatrix(where, matrix)
    raise InputError(
        f"{where} is of type {type(matrix).__name__}; give a scipy sparse matrix or a numpy array."
    )


def _computed(piece: Any, where: str, threads: int) -> Matrix:
    if is_lazy(piece):
        raise InputError(f"{where} is a dask array of dask arrays; compute it first.")
    return matrix_of_object(piece, where, threads)


def frame_of_names(names: Sequence[str], where: str) -> Frame:
    """Wrap a plain list of names as a table without columns."""
    values = np.empty(len(names), dtype=object)
    values[:] = list(names)
    text = as_text(values)
    return Frame(where, len(text), lambda start, stop: text[start:stop])


def frame_of_table(table: Any, where: str) -> Frame:
    """Wrap a pandas table, or a lazily read one of which only what is asked for is read."""
    if not hasattr(table, "to_memory"):
        return frame_of_pandas(table, where)
    names = frame_of_names(table.index, where)
    return replace(
        names,
        columns=tuple(str(name) for name in table.columns),
        column=lambda name: frame_of_pandas(table[[name]].to_memory(), where).column(name),
    )


def _in_memory(table: Any) -> Any:
    return table.to_memory() if hasattr(table, "to_memory") else table


def frame_of_pandas(table: Any, where: str) -> Frame:
    """Wrap a pandas table, without importing pandas."""

    def text_of(column: Any) -> Text:
        values = np.array(column, dtype=object)
        values[np.asarray(column.isna())] = None
        return as_text(values)

    def holds_text(name: Any) -> bool:
        dtype = getattr(table[name].dtype, "categories", table[name]).dtype
        return str(dtype).startswith(("object", "str"))

    names = {str(name): name for name in table.columns}
    if len(names) != len(table.columns):
        raise damaged(where, "two of its columns have one name")
    return Frame(
        where=where,
        length=len(table.index),
        index=lambda start, stop: text_of(table.index[start:stop]),
        columns=tuple(names),
        text_columns=tuple(key for key, name in names.items() if holds_text(name)),
        column=lambda key: text_of(table[names[key]]),
    )
