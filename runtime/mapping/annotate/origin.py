"""Which of several queries a cell comes from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cellport.runtime.columns import QUERY, Column, Schema
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting


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
    raise InputError("The same query file was named twice; name each once.")
