"""How results become one table: a column for the cell, each result, each matrix dimension."""

from __future__ import annotations

import numpy as np

from cellport.runtime.results import MappedBlock, Schema

CELL = "cell"


def matrix_columns(name: str, width: int) -> list[str]:
    """Names of the columns that a matrix spreads over: ``X_cellport_0``, ``X_cellport_1``, ..."""
    return [f"{name}_{dimension}" for dimension in range(width)]


def flat_columns(schema: Schema) -> list[str]:
    """Names of all columns of the table, in order."""
    names = [CELL, *(column.name for column in schema.columns)]
    for name, width in schema.obsm.items():
        names += matrix_columns(name, width)
    return names


def no_cells(schema: Schema) -> MappedBlock:
    """Return a block of no cells, every array of its right type."""
    dtypes = {"category": np.int32, "float": np.float32, "bool": np.bool_, "text": np.object_}
    return MappedBlock(
        0,
        np.empty(0, np.object_),
        {column.name: np.empty(0, dtypes[column.kind]) for column in schema.columns},
        {name: np.empty((0, width), np.float32) for name, width in schema.obsm.items()},
    )
