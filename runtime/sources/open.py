"""Opening whatever somebody brings as a source of raw counts."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from cellport.runtime.base.hints import hint, near_names
from cellport.runtime.base.processors import available_threads
from cellport.runtime.decisions import say, words
from cellport.runtime.errors import InputError
from cellport.runtime.sources import gate
from cellport.runtime.sources.memory import is_anndata, open_anndata, open_arrays
from cellport.runtime.sources.source import Container, CountSource

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
READABLE = ".h5ad, 10x .h5, a 10x folder with matrix.mtx, or an AnnData zarr store"
_CONVERT = words("files.convert")


def open_source(
    query: Any,
    *,
    layer: str | None = None,
    threads: int | None = None,
    allow_fractional: bool = False,
) -> CountSource:
    """Open a query as raw counts in blocks of cells.

    Parameters
    ----------
    query
        A path (h5ad, 10x ``.h5``, 10x folder or its ``matrix.mtx``, zarr store), an AnnData, or a
        tuple ``(matrix, gene_names)`` or ``(matrix, gene_names, cell_names)``.
    layer
        Where the counts are: a layer's name, ``X`` or ``raw``. By default the raw-count gate
        finds them (`cellport.runtime.sources.gate.choose_counts`).
    threads
        Threads that read and inflate; by default one a processor.
    allow_fractional
        Let numbers through that are not whole, such as expected counts.

    Returns
    -------
    CountSource
        To be closed when done. Memory in use grows with the size of the blocks only.

    Raises
    ------
    InputError
        When the query cannot be read, is empty, or holds no raw counts.
    MissingDependencyError
        When a package that this format needs is not installed.
    """
    container = _open_container(query, available_threads() if threads is None else threads)
    try:
        choice = gate.choose_counts(container.title, _non_empty(container), layer, allow_fractional)
        matrix = choice.candidate.matrix
        return CountSource(
            description=matrix.where,
            n_cells=matrix.n_cells,
            n_genes=matrix.n_genes,
            gene_columns=choice.candidate.genes(),
            notes=[*container.notes, *choice.notes],
            layer=choice.key,
            seekable=getattr(matrix, "seekable", True),
            _matrix=matrix,
            _cells=container.cells,
            _check=partial(gate.check_block, allow_fractional=allow_fractional),
            _close=container.close,
        )
    except BaseException:
        container.close()
        raise


def _non_empty(container: Container) -> Any:
    if container.cells.length == 0:
        raise InputError(say("files.no_cells", title=container.title))

    def checked(opener: Any) -> Any:
        candidate = opener()
        if candidate.matrix.n_genes == 0:
            raise InputError(say("files.no_genes", where=candidate.matrix.where))
        return candidate

    return {key: partial(checked, opener) for key, opener in container.candidates.items()}


def _open_container(query: Any, threads: int) -> Container:
    if isinstance(query, (str, os.PathLike)):
        return _open_path(Path(query), threads)
    if is_anndata(query):
        return open_anndata(query, threads)
    if isinstance(query, tuple) and len(query) in (2, 3):
        return open_arrays(query[0], query[1], query[2] if len(query) == 3 else None, threads)
    raise InputError(
        f"a query of type {type(query).__name__} cannot be read; give a path, an AnnData, or a "
        "tuple of a matrix and its gene names."
    )


def _open_path(path: Path, threads: int) -> Container:
    if not path.exists():
        raise InputError(f"there is no file {path}. {_near_files(path)}".strip())
    if path.is_dir():
        return _open_folder(path, threads)
    try:
        with path.open("rb") as file:
            begin = file.read(32)
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}).") from error
    if not begin:
        raise InputError(say("files.empty", file=path))
    if begin.startswith(HDF5_SIGNATURE) or _has_user_block(path):
        from cellport.runtime.sources.hdf5 import open_hdf5

        return open_hdf5(path, threads)
    return _open_by_name(path)


def _open_folder(path: Path, threads: int) -> Container:
    from cellport.runtime.sources.zarr_store import is_zarr, open_zarr

    if is_zarr(path):
        return open_zarr(path, threads)
    from cellport.runtime.sources.tenx_mtx import open_tenx_mtx

    return open_tenx_mtx(path)


def _open_by_name(path: Path) -> Container:
    name = path.name.lower()
    if name.endswith((".mtx", ".mtx.gz")):
        from cellport.runtime.sources.tenx_mtx import open_tenx_mtx

        return open_tenx_mtx(path)
    bare = name.removesuffix(".gz")
    suffix = Path(bare).suffix.removeprefix(".")
    if suffix in _CONVERT:
        raise InputError(say("files.to_convert", file=path, what=_CONVERT[suffix]))
    if suffix in ("h5ad", "h5", "hdf5"):
        if bare != name:
            raise InputError(f"{path} is compressed as a whole; unpack it first: gunzip {path}.")
        raise InputError(say("files.not_hdf5", file=path))
    raise InputError(say("files.no_kind", file=path, readable=READABLE))


def _has_user_block(path: Path) -> bool:
    """Tell whether the HDF5 signature comes later, behind 512 bytes times a power of two."""
    with path.open("rb") as file:
        for offset in (512, 1024, 2048, 4096):
            file.seek(offset)
            if file.read(8) == HDF5_SIGNATURE:
                return True
    return False


def _near_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either."
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    near = near_names(path.name, names)
    return hint(path.name, near) if near else ""
