"""The AnnData layout, the same in HDF5 (h5ad) and in zarr stores."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cellport.runtime.errors import InputError
from cellport.runtime.sources.annotations import (
    attribute,
    attribute_value,
    check_gene_count,
    is_array,
    names_in,
    read_frame,
    read_whole,
)
from cellport.runtime.sources.claims import check_extent
from cellport.runtime.sources.compressed import stored_arrays
from cellport.runtime.sources.csc import CscMatrix
from cellport.runtime.sources.csr import CsrMatrix
from cellport.runtime.sources.dense import DenseMatrix
from cellport.runtime.sources.nested import find_anndata
from cellport.runtime.sources.source import (
    Beside,
    Candidate,
    Container,
    Frame,
    Matrix,
    gene_columns,
)
from cellport.runtime.sources.trouble import damaged, readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cellport.runtime.sources.source import CheckArray

RAW = "raw/X"


def read_matrix(element: Any, where: str, threads: int, check_array: CheckArray) -> Matrix:
    """Open a stored matrix of h5py or zarr: CSR or CSC group, or dense array."""
    with readable(where):
        if is_array(element):
            check_array(element, where)
            return DenseMatrix(where, element)
        encoding = attribute(element, "encoding-type")
        if not encoding and "h5sparse_format" in element.attrs:
            encoding = attribute(element, "h5sparse_format") + "_matrix"
        if encoding not in ("csr_matrix", "csc_matrix"):
            raise InputError(
                f"the encoding '{encoding}' is not one of csr_matrix, csc_matrix, array"
            )
        shape = attribute_value(element, "shape")
        if shape is None:
            shape = attribute_value(element, "h5sparse_shape")
        if shape is None or len(shape) != 2:
            raise damaged(where, "its shape is not stored")
        n_cells, n_genes = int(shape[0]), int(shape[1])
        kind = CscMatrix if encoding == "csc_matrix" else CsrMatrix
        arrays = stored_arrays(element, where, check_array)
        return kind(where, n_cells, n_genes, *arrays, threads)


def open_layout(
    root: Any, title: str, threads: int, close: Callable[[], None], check_array: CheckArray
) -> Container:
    """Find the matrices and annotations of an AnnData in a group of h5py or zarr."""
    with readable(title):
        root, title, notes = find_anndata(root, title)
        for name in ("obs", "var"):
            if name not in root:
                raise InputError(f"{title} has no '{name}'; it is not an AnnData file")
        cells = read_frame(root["obs"], f"{title}, obs", root)
        genes = read_frame(root["var"], f"{title}, var", root)
        elements = _matrix_elements(root)
        raw_genes = _raw_genes(root)
    if not elements:
        raise InputError(f"{title} has no X, no layers and no raw; there are no counts in it.")

    def candidate(name: str, element: Any) -> Candidate:
        matrix = read_matrix(element, f"{title}, {name}", threads, check_array)
        own = read_frame(raw_genes, f"{title}, raw/var", root) if name == RAW else genes
        return fitted(name, matrix, cells, own)

    candidates = {key: partial(candidate, *found) for key, found in elements.items()}
    beside = Beside(partial(matrix_of_cells, root, title, check_array), partial(_text, root))
    return Container(title, candidates, cells, notes, close, beside=beside)


def matrix_of_cells(
    root: Any, title: str, check_array: CheckArray, name: str
) -> NDArray[np.float32] | None:
    """Return a matrix of ``obsm``, float32 [cells, width]; None where there is none."""
    where = f"{title}, obsm['{name}']"
    with readable(where):
        kept = root.get("obsm")
        if kept is None or is_array(kept) or name not in kept:
            return None
        element = kept[name]
        if not is_array(element) or len(element.shape) != 2:
            raise InputError(f"{where} is no matrix of numbers")
        check_array(element, where)
        check_extent(element)
        return np.asarray(element[...], np.float32)


def _text(root: Any, name: str) -> str | None:
    with readable(f"uns['{name}']"):
        kept = root.get("uns")
        if kept is None or is_array(kept) or name not in kept or not is_array(kept[name]):
            return None
        return str(read_whole(kept[name])[0]) if kept[name].shape == () else None


def _matrix_elements(root: Any) -> dict[str, tuple[str, Any]]:
    """Return name in words and element of every matrix, keyed as `Container.candidates`."""
    found: dict[str, tuple[str, Any]] = {}
    if "X" in root and attribute(root["X"], "encoding-type") != "null":
        found["X"] = ("X", root["X"])
    raw = root.get("raw", None)
    if raw is not None and not is_array(raw) and "X" in raw and "var" in raw:
        found["raw"] = (RAW, raw["X"])
    elif "raw.X" in root and "raw.var" in root:
        found["raw"] = (RAW, root["raw.X"])
    for name in names_in(root.get("layers", ())):
        place = f"layers['{name}']"
        found[place if name in found else name] = (place, root["layers"][name])
    return found


def _raw_genes(root: Any) -> Any:
    raw = root.get("raw", None)
    # an AnnData without raw has an empty array in its place when it is written as an element
    if raw is not None and not is_array(raw) and "var" in raw:
        return raw["var"]
    return root.get("raw.var", None)


def fitted(name: str, matrix: Matrix, cells: Frame, genes: Frame) -> Candidate:
    """Join a matrix and its genes, checked to fit each other and the cells."""
    check_gene_count(genes.where, genes.length)
    if matrix.n_cells != cells.length:
        raise damaged(matrix.where, f"it has {matrix.n_cells} cells and obs has {cells.length}")
    if matrix.n_genes != genes.length:
        raise damaged(
            matrix.where, f"it has {matrix.n_genes} genes and {genes.where} has {genes.length}"
        )
    return Candidate(name, matrix, lambda: gene_columns(genes))
