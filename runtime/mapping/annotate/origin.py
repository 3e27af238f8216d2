"""Several queries in one result: the column that says which of them a cell came from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.errors import InputError

QUERY = "cellport_query"


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


def with_query_schema(schema: Schema, names: tuple[str, ...]) -> Schema:
    """Add the column to a schema, unless there is one query only."""
    if len(names) < 2:
        return schema
    return replace(schema, columns=(*schema.columns, Column(QUERY, "category", names)))


def with_query(block: MappedBlock, code: int) -> MappedBlock:
    """Add the column to a block of one query's cells."""
    return replace(block, obs={**block.obs, QUERY: np.full(block.n_cells, code, np.int32)})
