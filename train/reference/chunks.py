"""The counts of a reference, chunk by chunk from wherever they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.errors import InputError
from cellport.train.progress import OnCells, unwatched
from cellport.train.reference.opened import opened_source

# cells at a time, as mapping reads them
_CHUNK = 2048


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """Counts of the same genes in one or more sources, which are opened for each pass."""

    sources: tuple[Any, ...]  # paths, AnnData objects or whatever else the runtime opens
    layer: str | None  # where the raw counts are; found by itself when None
    # int32 [genes of the source] for each source: position among the genes of the reference, -1 for
    # a gene that it does not use
    columns: tuple[NDArray[np.int32], ...]
    shape: tuple[int, int]  # cells of all sources, and genes
    genome: str | None = None  # of 10x files of several, the one to take


def chunks(
    counts: sp.csr_matrix | SourceCounts,
    genes: NDArray[np.integer] | None = None,
    on_progress: OnCells = unwatched,
) -> Iterator[sp.csr_matrix]:
    """Yield all cells in order, a few thousand at a time, float32 [n, genes wanted].

    Wanted are genes at some positions, ascending, or all. Each is once in a cell, in order, and no
    zeros are stored.
    """
    n_genes = counts.shape[1]
    wanted = np.arange(n_genes) if genes is None else genes
    place = np.full(n_genes + 1, -1, np.int32)  # the last is for genes that are not used
    place[wanted] = np.arange(len(wanted))
    done = 0
    for indptr, indices, data, columns in _parts(counts):
        some = sp.csr_matrix((data, indices, indptr), (len(indptr) - 1, len(columns)))
        yield _selected(some, place[columns], len(wanted))
        done += len(indptr) - 1
        on_progress(done)
    if done != counts.shape[0]:
        raise InputError(
            f"the reference had {counts.shape[0]:,} cells when it was opened and has {done:,} "
            "now; leave its files alone while it is read."
        )


def _selected(counts: sp.csr_matrix, column: NDArray[np.int32], n_columns: int) -> sp.csr_matrix:
    """Bring genes to their columns, -1 for none; those of one column are summed."""
    used = np.flatnonzero(column >= 0)
    # float64, in which sums of counts are exact
    ones = np.ones(len(used))
    found = counts @ sp.csr_matrix((ones, (used, column[used])), (len(column), n_columns))
    found.sort_indices()
    found.eliminate_zeros()
    return found.astype(np.float32)


def _parts(counts: sp.csr_matrix | SourceCounts) -> Iterator[tuple[Any, Any, Any, Any]]:
    if not isinstance(counts, SourceCounts):
        for start in range(0, counts.shape[0], _CHUNK):
            some = counts[start : start + _CHUNK]
            yield some.indptr, some.indices, some.data, np.arange(some.shape[1])
        return
    for source, columns in zip(counts.sources, counts.columns, strict=True):
        with opened_source(source, counts.layer, counts.genome) as opened:
            for block in opened.blocks(_CHUNK):
                yield block.indptr, block.indices, block.data, columns
