"""The page reads and refuses files as the Python runtime does, in the same words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from kinds_of_files import GENOMES, KINDS, REFUSED, THIRD_COLUMNS, write_triple

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source


def test_files_are_read_alike(tmp_path: Path, compute_again: Callable[..., None]) -> None:
    (tmp_path / "files.json").write_text(json.dumps(list(file_cases(tmp_path))))
    compute_again(tmp_path, "same_files")


def file_cases(root: Path) -> Iterator[dict[str, Any]]:
    for name, (types, _) in THIRD_COLUMNS.items():
        folder = root / f"types {name}"
        write_triple(folder, types=types)
        yield case(root, f"third column: {name}", folder)
    for name, (write, genome, _) in GENOMES.items():
        folder = root / f"genome {name}"
        folder.mkdir()
        yield case(root, f"genome: {name}", write(folder), genome)
    refused = {name: write for name, (write, _) in REFUSED.items()}
    for name, write in {**KINDS, **refused}.items():
        folder = root / name
        folder.mkdir()
        yield case(root, name, write(folder))


def case(root: Path, name: str, path: Path, genome: str | None = None) -> dict[str, Any]:
    """What Python says of a file, or of a folder of which the page is given the files."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    names = [str(file.relative_to(root)) for file in files]
    stated: dict[str, Any] = {"name": name, "files": names, "genome": genome}
    above = f"{path if path.is_dir() else path.parent}/"
    try:
        with closing(open_source(path, genome=genome)) as source:
            (block,) = source.blocks(1000)
            rows = np.repeat(np.arange(block.n_cells), np.diff(block.indptr))
            return stated | {
                "error": None,
                "notes": [note.replace(above, "") for note in source.notes],
                "cells": source.cell_names(0, source.n_cells).tolist(),
                "columns": {key: one.tolist() for key, one in source.gene_columns.items()},
                "totals": np.bincount(rows, block.data, source.n_cells).tolist(),
                "sums": np.bincount(block.indices, block.data, source.n_genes).tolist(),
            }
    except InputError as error:
        return stated | {"error": str(error).replace(above, "")}
