"""Opening whatever somebody brings as a source of raw counts."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from cellport.runtime.base.hints import hint, near_names
from cellport.runtime.base.processors import available_threads
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.sources import gate
from cellport.runtime.sources.folders import find_in_folder
from cellport.runtime.sources.hdf5 import open_hdf5
from cellport.runtime.sources.memory import is_anndata, open_anndata, open_arrays
from cellport.runtime.sources.refusals import refuse_address, refuse_all_but_mtx
from cellport.runtime.sources.source import Container, CountSource
from cellport.runtime.sources.trouble import readable
from cellport.runtime.sources.zarr_store import is_zarr, open_zarr


def open_source(
    query: Any,
    *,
    layer: str | None = None,
    threads: int | None = None,
    allow_fractional: bool = False,
    covered: gate.Covered | None = None,
    genome: str | None = None,
) -> CountSource:
    """Open a query as raw counts in blocks of cells, to be closed when done.

    Memory in use grows with the size of the blocks only.

    Parameters
    ----------
    query
        A path (h5ad, 10x ``.h5``, 10x folder or its ``matrix.mtx``, zarr store), an AnnData, a
        tuple ``(matrix, gene_names)`` or ``(matrix, gene_names, cell_names)``, or a source that is
        open already, which is returned as it is.
    layer
        Where the counts are: a layer's name, ``X`` or ``raw``. By default the raw-count gate
        finds them (`cellport.runtime.sources.gate.choose_counts`).
    threads
        Threads that read and inflate; by default one a processor.
    allow_fractional
        Let numbers through that are not whole, such as expected counts.
    covered
        Tells of `CountSource.gene_columns` how many genes of an atlas they hold; of several
        matrices with counts, the one with more of them is chosen.
    genome
        Of a 10x file or folder of several genomes, the one to take.

    Raises
    ------
    InputError
        When the query cannot be read, is empty, or holds no raw counts.
    MissingDependencyError
        When a package that this format needs is not installed.
    """
    if isinstance(query, CountSource):
        return query
    threads = available_threads() if threads is None else threads
    container = _open_container(query, threads, genome)
    try:
        if genome is not None and not container.of_genome:
            raise InputError(say("files.no_genomes", title=container.title, genome=genome))
        if container.cells.length == 0:
            raise InputError(say("files.no_cells", title=container.title))
        choice = gate.choose_counts(
            container.title, container.candidates, layer, allow_fractional, covered
        )
        matrix = choice.candidate.matrix
        return CountSource(
            description=matrix.where,
            n_cells=matrix.n_cells,
            n_genes=matrix.n_genes,
            gene_columns=choice.candidate.genes(),
            notes=[*container.notes, *choice.notes],
            layer=choice.key,
            seekable=getattr(matrix, "seekable", True),
            beside=container.beside,
            _matrix=matrix,
            _cells=container.cells,
            _check=partial(gate.check_block, allow_fractional=allow_fractional),
            _close=container.close,
        )
    except BaseException:
        container.close()
        raise


def _open_container(query: Any, threads: int, genome: str | None) -> Container:
    if isinstance(query, (str, os.PathLike)):
        refuse_address(os.fspath(query))
        return _open_path(Path(query), threads, genome)
    if is_anndata(query):
        return open_anndata(query, threads)
    if isinstance(query, tuple) and len(query) in (2, 3):
        return open_arrays(query[0], query[1], query[2] if len(query) == 3 else None, threads)
    raise InputError(
        f"a query of type {type(query).__name__} cannot be read; give a path, an AnnData, or a "
        "tuple of a matrix and its gene names."
    )


def _open_path(path: Path, threads: int, genome: str | None) -> Container:
    if not path.exists():
        if path.is_symlink():
            raise InputError(f"{path} is a link to a file that is not there.")
        raise InputError(f"there is no file {path}. {_near_files(path)}".strip())
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path} is a pipe or a device; write it to a file and give that.")
    if is_zarr(path):
        return open_zarr(path, threads)
    if not path.is_dir():
        try:
            with path.open("rb") as file:
                empty = not file.read(1)
        except OSError as error:
            raise InputError(f"{path} cannot be opened ({error.strerror}).") from error
        if empty:
            raise InputError(say("files.empty", file=path))
        if h5py.is_hdf5(path):
            return open_hdf5(path, threads, genome)
        refuse_all_but_mtx(path)
    else:
        with readable(str(path)):
            inside, note = find_in_folder(path, genome)
        if note:
            of_folder = genome in inside.relative_to(path).parts
            container = _open_path(inside, threads, None if of_folder else genome)
            notes = (note, *container.notes)
            return replace(container, notes=notes, of_genome=of_folder or container.of_genome)
    from cellport.runtime.sources.tenx_mtx import open_tenx_mtx  # brings numba

    return open_tenx_mtx(path)


def _near_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either."
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    near = near_names(path.name, names)
    return hint(path.name, near) if near else ""
