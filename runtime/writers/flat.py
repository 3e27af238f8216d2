"""How results become one table: a column for the cell, each result, each matrix dimension."""

from __future__ import annotations

import numpy as np

from cellport.runtime.columns import MappedBlock, Schema

CELL = "cell"


def flat_columns(schema: Schema) -> list[str]:
    """Names of all columns of the table, in order."""
    names = [CELL, *(column.name for column in schema.columns)]
    for name in schema.obsm:
        names += schema.flat_names(name)
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
