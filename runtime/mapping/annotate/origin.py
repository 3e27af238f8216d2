"""Which of several queries a cell comes from, and what it is called beside those of others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import QUERY, Column, Schema
from cellport.runtime.decisions import text
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting

# names read at a time
_NAMES = 1 << 16
REPEATED = text("files.repeated_cells")


def prepare(setting: Setting) -> Annotator | None:
    """Name the query of each cell, where a result has several."""
    if len(setting.queries) < 2:
        return None
    return Annotator(
        Schema((Column(QUERY, "category", setting.queries),)),
        lambda cells: {QUERY: np.full(len(cells.library), setting.query, np.int32)},
    )


def distinct_names(queries: Sequence[Any]) -> tuple[str, ...]:
    """Return the shortest names that tell the queries apart: file names, or else paths.

    Those that are no paths are called by their position.

    Raises
    ------
    InputError
        One query was named twice.
    """
    full = [
        str(query) if isinstance(query, str | os.PathLike) else f"query {i}"
        for i, query in enumerate(queries)
    ]
    short = [Path(name).name for name in full]
    if len(set(short)) == len(short):
        return tuple(short)
    if len(set(full)) == len(full):
        return tuple(full)
    raise InputError(text("files.named_twice"))


def name_hashes(
    names: Callable[[int, int], NDArray[np.object_]], n_cells: int
) -> NDArray[np.uint64]:
    """Return a number, uint64 [cells], for each name that `names` reads from ``start:stop``.

    The same on every machine. Two names out of a million have the same by a chance of 3e-8.
    """
    found = np.empty(n_cells, np.uint64)
    for start in range(0, n_cells, _NAMES):
        stop = min(start + _NAMES, n_cells)
        digests = (
            blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()
            for name in names(start, stop)
        )
        found[start:stop] = np.frombuffer(b"".join(digests), "<u8")
    return found


def name_suffixes(hashes: Sequence[NDArray[np.uint64]]) -> tuple[str, ...]:
    """Return what the names of each query's cells get: its number where queries share names.

    As training names the cells of several sources. Names that repeat within one query stay.
    """
    each = [np.unique(one) for one in hashes]
    together = np.concatenate(each)
    if len(np.unique(together)) == len(together):
        return ("",) * len(hashes)
    return tuple(f"-{number}" for number in range(len(hashes)))


def renamed(names: NDArray[np.object_], suffix: str) -> NDArray[np.object_]:
    """Return names, object [cells] of str, with a suffix."""
    return names + suffix if suffix else names
