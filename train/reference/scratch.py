"""Panel counts, in memory where they fit and in a scratch file where they do not."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from io import FileIO
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.base.files import plain_errors
from cellport.runtime.errors import OutputError
from cellport.train.cells import PanelCounts

# a scratch file must leave this much of the disk
_SPARE = 64 << 20


def _record(n_genes: int) -> np.dtype[Any]:
    """One non-zero: six bytes, or eight for a panel of more genes than anybody has asked for."""
    return np.dtype([("gene", "<u2" if n_genes <= 1 << 16 else "<u4"), ("count", "<f4")])


class StoredCounts:
    """A CSR matrix in a file: a record of gene and count for each non-zero, cell after cell.

    Read with plain reads, not mapped: pages of a mapped file count as memory of the process. Its
    digest is the SHA-256 of the file.
    """

    def __init__(self, path: Path, indptr: NDArray[np.int64], n_genes: int, digest: str) -> None:
        self.path, self.digest = path, digest
        self.shape = len(indptr) - 1, n_genes
        self._indptr = indptr
        self._file: FileIO | None = None
        self._one_reader = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredCounts, (self.path, self._indptr, self.shape[1], self.digest)

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> sp.csr_matrix:
        """Read cells as float32 CSR [n, genes]."""
        if isinstance(rows, slice):
            rows = np.arange(self.shape[0])[rows]
        length = self._indptr[rows + 1] - self._indptr[rows]
        indptr = np.concatenate([[0], np.cumsum(length)])
        records = np.empty(indptr[-1], _record(self.shape[1]))
        for start, stop in _runs(rows):
            part = records[indptr[start] : indptr[stop]]
            self._read(part, int(self._indptr[rows[start]]))
        arrays = np.ascontiguousarray(records["count"]), records["gene"].astype(np.int32), indptr
        return sp.csr_matrix(arrays, (len(rows), self.shape[1]))

    def _read(self, into: NDArray[Any], first: int) -> None:
        room = into.view(np.uint8).data
        # training reads ahead on a thread of its own
        with self._one_reader:
            if self._file is None:
                self._file = self.path.open("rb", buffering=0)
            self._file.seek(first * into.dtype.itemsize)
            while len(room):
                got = self._file.readinto(room)
                if not got:
                    raise OutputError(f"{self.path} was cut off by another program; train again.")
                room = room[got:]

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _runs(rows: NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    """Bounds of the stretches in which the rows follow one another."""
    if len(rows):
        breaks = (np.flatnonzero(np.diff(rows) != 1) + 1).tolist()
        yield from pairwise([0, *breaks, len(rows)])


@contextlib.contextmanager
def panel_counts(
    parts: Iterable[sp.csr_matrix],
    shape: tuple[int, int],
    scratch: Path | None,
    in_memory: int,
) -> Iterator[PanelCounts]:
    """Keep the panel's counts while a model is trained on them, as a matrix or `StoredCounts`.

    Parameters
    ----------
    parts, shape
        All cells in order, canonical float32 CSR [n, genes], and how many cells and genes.
    scratch, in_memory
        Where counts of more bytes go, removed at the end; None to keep all in memory.

    Raises
    ------
    OutputError
        The disk has too little room.
    """
    kept: list[sp.csr_matrix] = []
    size = 0
    parts = iter(parts)
    for part in parts:
        kept.append(part)
        size += part.nnz * _record(shape[1]).itemsize
        if scratch is not None and size > in_memory:
            break
    else:
        yield sp.vstack(kept, format="csr")
        return
    assert scratch is not None
    cells = sum(part.shape[0] for part in kept)
    _check_room(scratch, round(size / cells * shape[0]))
    try:
        stored = _write(_chain(kept, parts), shape[1], scratch)
        try:
            yield stored
        finally:
            stored.close()
    finally:
        scratch.unlink(missing_ok=True)


def _chain(kept: list[sp.csr_matrix], others: Iterator[sp.csr_matrix]) -> Iterator[sp.csr_matrix]:
    """Yield from both, letting go of each part as it is used."""
    kept.reverse()
    while kept:
        yield kept.pop()
    yield from others


def _check_room(scratch: Path, needed: int) -> None:
    free = shutil.disk_usage(scratch.parent).free
    if free < needed + _SPARE:
        raise OutputError(
            f"Training needs about {needed / 1e9:.2g} GB beside the atlas for the panel's counts, "
            f"and {scratch.parent} has {free / 1e9:.2g} GB left. Free some space, or write the "
            "atlas to another disk."
        )


def _write(parts: Iterator[sp.csr_matrix], n_genes: int, path: Path) -> StoredCounts:
    digest = hashlib.sha256()
    lengths = [np.zeros(1, np.int64)]
    sentence = (
        "The panel's counts cannot be written to {path} ({system}). Free some space, or write the "
        "atlas to another disk."
    )
    with plain_errors(path, sentence), path.open("wb") as file:
        for part in parts:
            records = np.empty(part.nnz, _record(n_genes))
            records["gene"], records["count"] = part.indices, part.data
            file.write(records.data)
            digest.update(records.data)
            lengths.append(np.diff(part.indptr).astype(np.int64))
    return StoredCounts(path, np.cumsum(np.concatenate(lengths)), n_genes, digest.hexdigest())
