"""Loom files: dense matrices, genes by cells, with attributes of rows and columns.

Cost: every value is read and inflated once, zeros included; memory is one slab of cells.
Layout: https://linnarssonlab.org/loompy/format
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cellport.runtime.errors import InputError
from cellport.runtime.sources.anndata_layout import fitted
from cellport.runtime.sources.annotations import as_text, is_array, names_in, read_text, read_whole
from cellport.runtime.sources.dense import DenseMatrix
from cellport.runtime.sources.source import Candidate, Container, Frame
from cellport.runtime.sources.trouble import damaged, readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cellport.runtime.sources.source import CheckArray

# what loompy, scanpy, velocyto and SCope call the names, in the order in which they are looked for
_GENES = ("Gene", "var_names", "gene_names", "gene_name", "GeneName", "Accession", "gene_ids")
_CELLS = ("CellID", "obs_names", "cell_names", "Cell", "CellName", "barcode", "Barcode")


class TurnedArray:
    """A stored array of genes by cells, read as cells by genes."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored
        self.dtype = stored.dtype
        self.shape = stored.shape[::-1]
        self.chunks = stored.chunks[::-1] if stored.chunks else None

    def __getitem__(self, cells: slice) -> NDArray[Any]:
        """Read the cells of a range."""
        return np.asarray(self._stored[:, cells]).T


def is_loom(names: set[str]) -> bool:
    """Tell a loom file by the names in it."""
    return {"matrix", "row_attrs", "col_attrs"} <= names


def open_loom(root: Any, title: str, close: Callable[[], None], check: CheckArray) -> Container:
    """Open the matrix and the layers of a loom file."""
    with readable(title):
        if len(root["matrix"].shape) != 2:
            raise damaged(title, "its matrix has not two axes")
        n_genes, n_cells = root["matrix"].shape
        genes = _frame(root["row_attrs"], f"{title}, row_attrs", n_genes, _GENES)
        cells = _frame(root["col_attrs"], f"{title}, col_attrs", n_cells, _CELLS)
        if not genes.text_columns:
            raise InputError(f"{title}, row_attrs has no names of genes")
        stored = {"X": ("matrix", root["matrix"])}
        for name in names_in(root.get("layers", ())):
            stored[name] = (f"layers['{name}']", root["layers"][name])

    def candidate(name: str, element: Any) -> Candidate:
        where = f"{title}, {name}"
        with readable(where):
            check(element, where)
            matrix = DenseMatrix(where, TurnedArray(element))
        return fitted(name, matrix, cells, genes)

    candidates = {key: partial(candidate, *found) for key, found in stored.items()}
    return Container(title, candidates, cells, close=close)


def _frame(group: Any, where: str, length: int, likely: tuple[str, ...]) -> Frame:
    """Open the attributes of one axis that have a value for each of its `length` places."""
    flat = [
        name for name in names_in(group) if is_array(group[name]) and group[name].shape == (length,)
    ]
    texts = [name for name in flat if group[name].dtype.kind in "OSU"]
    index = next((name for name in likely if name in flat), texts[0] if texts else None)

    def names(start: int, stop: int) -> Any:
        if index is None:
            return as_text(np.arange(start, stop))
        return read_text(group[index], start, stop)

    return Frame(
        where=where,
        length=int(length),
        index=names,
        columns=tuple(flat),
        text_columns=tuple(texts),
        column=lambda name: read_whole(group[name]),
    )
