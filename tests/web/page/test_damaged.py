"""Damaged files are refused by the page where Python refuses them, and nothing is read wrongly."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from damaged_files import Damaged, anything, drawn, other_lengths

from cellport.runtime.errors import CellportError
from cellport.runtime.sources import open_source

DRAWS = int(os.environ.get("CELLPORT_DRAWS", "220"))


def test_damaged_files_are_decided_alike(
    tmp_path: Path, compute_again: Callable[..., None]
) -> None:
    cases = list(_cases(tmp_path))
    refused = sum(case["error"] is not None for case in cases)
    assert 0.2 < refused / len(cases) < 0.95
    (tmp_path / "damaged.json").write_text(json.dumps(cases))
    compute_again(tmp_path, "same_damage")


def _cases(folder: Path) -> Iterator[dict[str, Any]]:
    for number, one in enumerate([*other_lengths, *drawn(anything, DRAWS)]):
        path = folder / (f"{number}.h5" if isinstance(one, Damaged) else f"{number}")
        one.write(path)
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        names = [str(file.relative_to(folder)) for file in inside]
        yield {"name": repr(one), "files": names, **_decided(path)}


def _decided(path: Path) -> dict[str, Any]:
    """What Python reads of a file, or that it refuses it."""
    try:
        with closing(open_source(path)) as source:
            totals = np.zeros(source.n_cells)
            sums = np.zeros(source.n_genes)
            for block in source.blocks(1000):
                rows = np.repeat(np.arange(block.n_cells), np.diff(block.indptr)) + block.start
                totals += np.bincount(rows, block.data, source.n_cells)
                sums += np.bincount(block.indices, block.data, source.n_genes)
            return {
                "error": None,
                "cells": source.cell_names(0, source.n_cells).tolist(),
                "genes": {key: one.tolist() for key, one in source.gene_columns.items()},
                "totals": _numbers(totals),
                "sums": _numbers(sums),
            }
    except CellportError as error:
        return {"error": str(error)}


def _numbers(values: Any) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
