"""10x Genomics ``.h5``: one group ``matrix`` (Cell Ranger 3 and later) or one a genome (2)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.sources.annotations import check_gene_count, read_text, read_whole, row_count
from cellport.runtime.sources.claims import check_values
from cellport.runtime.sources.compressed import stored_arrays
from cellport.runtime.sources.csr import CsrMatrix
from cellport.runtime.sources.source import Candidate, Container, Frame, Text
from cellport.runtime.sources.tenx import tenx_gene_columns
from cellport.runtime.sources.trouble import damaged, readable

if TYPE_CHECKING:
    import h5py

    from cellport.runtime.sources.source import CheckArray


def open_tenx_h5(
    file: h5py.File,
    title: str,
    groups: list[str],
    threads: int,
    check_array: CheckArray,
    genome: str | None = None,
) -> Container:
    """Open the matrix of a 10x file in one of `groups`: stored cell by cell, as CSR of cells is.

    `genome` is the group to take (Cell Ranger 2), or whose genes (3).
    """
    name = _group(title, groups, genome)
    group = file[name]
    where = f"{title}, {name}"
    with readable(where):
        check_values(group["shape"])
        shape = np.asarray(group["shape"][:]).tolist()
        if len(shape) != 2:
            raise damaged(where, "its shape is not two numbers")
        n_genes, n_cells = int(shape[0]), int(shape[1])
        check_gene_count(where, n_genes)
        arrays = stored_arrays(group, where, check_array)
        matrix = CsrMatrix(where, n_cells, n_genes, *arrays, threads)
        ids, names, types = _features(group)
        for listed in (ids, names, types):
            if listed is not None and len(listed) != n_genes:
                raise damaged(where, f"it has {n_genes} genes and {len(listed)} features")
        more: tuple[str, ...] = ()
        if genome is not None and name != genome:
            ids, names, more = _of_genome(where, group, ids, names, genome)
        columns, notes = tenx_gene_columns(title, ids, names, types)
        barcodes = group["barcodes"]
        if row_count(barcodes) != n_cells:
            raise damaged(where, f"it has {n_cells} cells and {row_count(barcodes)} barcodes")
    frame = Frame(f"{title}, barcodes", n_cells, partial(read_text, barcodes))
    candidate = partial(Candidate, name, matrix, lambda: columns)
    said = (*notes, *more)
    return Container(title, {"X": candidate}, frame, said, file.close, genome is not None)


def _group(title: str, groups: list[str], genome: str | None) -> str:
    genomes = ", ".join(groups)
    if genome in groups:
        return str(genome)
    if groups != ["matrix"] and genome is not None:
        raise InputError(say("files.no_genome", file=title, genome=genome, genomes=genomes))
    if len(groups) > 1:
        raise InputError(say("files.several_genomes", file=title, genomes=genomes, first=groups[0]))
    return groups[0]


def _of_genome(
    where: str, group: Any, ids: Text, names: Text, genome: str
) -> tuple[Text, Text, tuple[str, ...]]:
    """Give the empty name to genes of other genomes than one."""
    if "features" not in group or "genome" not in group["features"]:
        raise InputError(say("files.no_genomes", title=where, genome=genome))
    of = read_whole(group["features"]["genome"])
    if len(of) != len(ids):
        raise damaged(where, f"it has {len(ids)} features and {len(of)} genomes of them")
    inside = of == genome
    if not inside.any():
        there = ", ".join(sorted(set(of.tolist()) - {""})) or "none"
        raise InputError(say("files.no_genome", file=where, genome=genome, genomes=there))
    n_others = int((~inside).sum())
    notes = (say("files.other_genomes", genome=genome, genes=n_others),) if n_others else ()
    return np.where(inside, ids, ""), np.where(inside, names, ""), notes


def _features(group: Any) -> tuple[Text, Text, Text | None]:
    if "features" in group:
        features = group["features"]
        kinds = read_whole(features["feature_type"]) if "feature_type" in features else None
        return read_whole(features["id"]), read_whole(features["name"]), kinds
    # HDF5Array of R writes one name of each gene
    names = group["gene_names" if "gene_names" in group else "genes"]
    return read_whole(group["genes"]), read_whole(names), None
