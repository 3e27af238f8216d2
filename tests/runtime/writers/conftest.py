from __future__ import annotations

import numpy as np
import pytest

from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.sources.block import CountBlock


@pytest.fixture
def mapping() -> Mapping:
    """Seven cells with every kind of column and every awkward value."""
    rng = np.random.default_rng(0)
    schema = Schema(
        (
            Column("cellport_label", "category", ("T cell", 'B "naïve", memory', "βeta")),
            Column("none", "category", ()),
            Column("cellport_prob", "float"),
            Column("cellport_novel", "bool"),
            Column("cellport_label_set", "text"),
        ),
        {"X_cellport": 3, "X_cellport_umap": 2},
    )
    return Mapping(
        schema,
        np.array(["a", "b", "a", "ü,1", 'c"d', "tab\there", "line\nbreak"], dtype=object),
        {
            "cellport_label": np.array([0, 1, 2, -1, 0, 1, 2], np.int32),
            "none": np.full(7, -1, np.int32),
            "cellport_prob": np.array([0.1, 1, np.nan, 1e-30, 0, 0.3333333, 3e38], np.float32),
            "cellport_novel": np.array([1, 0, 1, 0, 0, 0, 1], bool),
            "cellport_label_set": np.array(["x;y", "", "é", "a,b", "q", "", "NA"], dtype=object),
        },
        {
            "X_cellport": rng.normal(size=(7, 3)).astype(np.float32),
            "X_cellport_umap": rng.normal(size=(7, 2)).astype(np.float32),
        },
        {
            "cellport": {
                "atlas": "lung é",
                "n_cells": 7,
                "share": 0.5,
                "ok": True,
                "rules": {"symbol": 3, "none": None},
                "missing": ["ACTB", "LYZ"],
                "empty": [],
                "numbers": [1, 2, 3],
                "records": [{"file": "a/b", "n": 1}],
                "numpy": np.float32(2),
                "with/slash": "kept",
            }
        },
    )


def in_blocks(mapping: Mapping, size: int):
    for start in range(0, mapping.n_cells, size):
        rows = slice(start, min(start + size, mapping.n_cells))
        names = mapping.cell_names[rows]
        yield MappedBlock(
            start,
            names,
            {name: values[rows] for name, values in mapping.obs.items()},
            {name: values[rows] for name, values in mapping.obsm.items()},
            one_count_a_cell(start, len(names)),
        )


def one_count_a_cell(start: int, n_cells: int) -> CountBlock:
    cells = np.arange(start, start + n_cells)
    return CountBlock(
        start,
        np.arange(n_cells + 1, dtype=np.int64),
        (cells % 3).astype(np.int32),
        (cells + 1).astype(np.float32),
    )


@pytest.fixture
def blocks(mapping):
    """Cut the seven cells into blocks of a given size, cell i with i + 1 counts of gene i % 3."""
    return lambda size: in_blocks(mapping, size)
