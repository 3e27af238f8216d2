"""Folders with a matrix of text: 10x Genomics, STARsolo, kb-python, alevin-fry, Parse.

Cost: that of the matrix (see `mtx`, `mtx_unsorted`), plus the barcodes in memory.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.sources.annotations import check_gene_count
from cellport.runtime.sources.mtx import MtxMatrix, open_matrix
from cellport.runtime.sources.mtx_unsorted import UnsortedMtxMatrix
from cellport.runtime.sources.name_tables import read_barcodes, read_features
from cellport.runtime.sources.refusals import refuse_stand_in
from cellport.runtime.sources.source import Candidate, Container, Matrix, Text
from cellport.runtime.sources.tenx import tenx_gene_columns
from cellport.runtime.sources.triples import find_triple

if TYPE_CHECKING:
    from pathlib import Path


def open_tenx_mtx(path: Path) -> Container:
    """Open a folder of 10x or of a program that writes alike, or the matrix in it."""
    parts = find_triple(path)
    for part in (parts.matrix, parts.features, parts.barcodes):
        refuse_stand_in(part)
    matrix = open_matrix(parts.matrix)
    sizes = (matrix.n_genes, matrix.n_cells)
    rows, cells = read_features(parts, sizes), read_barcodes(parts.barcodes, sizes)
    matrix, notes = _right_way(matrix, parts.cells_first, len(rows), cells.length)
    check_gene_count(matrix.where, matrix.n_genes)
    stored: Matrix = matrix
    if not matrix.begins_sorted():
        stored = UnsortedMtxMatrix(replace(matrix, sorted_by_cell=False))
        notes = (*notes, say("files.unsorted", where=matrix.where))
    columns, more = _features(str(parts.features), rows)
    candidate = partial(Candidate, "matrix", stored, lambda: columns)
    return Container(str(path), {"X": candidate}, cells, (*notes, *more))


def _right_way(
    matrix: MtxMatrix, cells_first: bool, n_genes: int, n_cells: int
) -> tuple[MtxMatrix, tuple[str, ...]]:
    """Return the matrix with its axes as the names beside it say, else as its program writes."""
    turned = replace(
        matrix, n_genes=matrix.n_cells, n_cells=matrix.n_genes, cells_first=not matrix.cells_first
    )
    first, other = (turned, matrix) if cells_first else (matrix, turned)
    for one in (first, other):
        if (one.n_genes, one.n_cells) == (n_genes, n_cells):
            said = one is turned and not cells_first
            return one, (say("files.turned_matrix", where=one.where),) if said else ()
    raise InputError(
        f"{first.where} is {first.n_genes} genes by {first.n_cells} cells, but there are "
        f"{n_genes} features and {n_cells} barcodes beside it."
    )


def _features(where: str, rows: list[list[str]]) -> tuple[dict[str, Text], tuple[str, ...]]:
    ids = [row[0] for row in rows]
    names = [row[1] if len(row) > 1 else row[0] for row in rows]
    types = [row[2] if len(row) > 2 else "" for row in rows]
    notes: tuple[str, ...] = ()
    if _is_spliced_apart(ids):
        ids = names = [_spliced(name) for name in ids]
        notes = (say("files.unspliced"),)
    columns, more = tenx_gene_columns(
        where, *(np.array(one, object) for one in (ids, names, types))
    )
    return columns, (*notes, *more)


def _is_spliced_apart(ids: list[str]) -> bool:
    """Tell whether alevin-fry has counted spliced, unspliced (-U) and ambiguous (-A) reads."""
    third = len(ids) // 3
    return bool(ids) and ids[third:] == [f"{name}-{kind}" for kind in "UA" for name in ids[:third]]


def _spliced(name: str) -> str:
    """Return the gene to which counts are added: names that repeat are summed."""
    return "" if name.endswith("-U") else name.removesuffix("-A")
