"""10x Genomics ``.h5``: one group ``matrix`` (Cell Ranger 3 and later) or one a genome (2)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.sources.annotations import check_gene_count, read_text, read_whole, row_count
from cellport.runtime.sources.compressed import stored_arrays
from cellport.runtime.sources.csr import CsrMatrix
from cellport.runtime.sources.source import Candidate, Container, Frame, Text
from cellport.runtime.sources.tenx import tenx_gene_columns
from cellport.runtime.sources.trouble import damaged, readable

if TYPE_CHECKING:
    import h5py

    from cellport.runtime.sources.source import CheckArray


def open_tenx_h5(
    file: h5py.File, title: str, groups: list[str], threads: int, check_array: CheckArray
) -> Container:
    """Open the matrix of a 10x file in one of `groups`: stored cell by cell, as CSR of cells is."""
    if len(groups) > 1:
        raise InputError(say("files.several_genomes", file=title, genomes=", ".join(groups)))
    group = file[groups[0]]
    where = f"{title}, {groups[0]}"
    with readable(where):
        shape = np.asarray(group["shape"][:]).tolist()
        if len(shape) != 2:
            raise damaged(where, "its shape is not two numbers")
        n_genes, n_cells = int(shape[0]), int(shape[1])
        check_gene_count(where, n_genes)
        arrays = stored_arrays(group, where, check_array)
        matrix = CsrMatrix(where, n_cells, n_genes, *arrays, threads)
        ids, names, types = _features(group)
        columns, notes = tenx_gene_columns(title, ids, names, types)
        barcodes = group["barcodes"]
        if row_count(barcodes) != n_cells:
            raise damaged(where, f"it has {n_cells} cells and {row_count(barcodes)} barcodes")
        if not len(ids) == len(names) == n_genes:
            raise damaged(where, f"it has {n_genes} genes and {len(ids)} features")
    frame = Frame(f"{title}, barcodes", n_cells, partial(read_text, barcodes))
    candidate = partial(Candidate, groups[0], matrix, lambda: columns)
    return Container(title, {"X": candidate}, frame, notes, file.close)


def _features(group: Any) -> tuple[Text, Text, Text | None]:
    if "features" in group:
        features = group["features"]
        kinds = read_whole(features["feature_type"]) if "feature_type" in features else None
        return read_whole(features["id"]), read_whole(features["name"]), kinds
    return read_whole(group["genes"]), read_whole(group["gene_names"]), None
