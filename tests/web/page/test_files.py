"""The page reads and refuses files as the Python runtime does, in the same words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from anndata import AnnData
from kinds_of_files import GENOMES, KINDS, KINDS_NAMED, features_of_kinds
from kinds_refused import REFUSED
from pandas import DataFrame
from scipy.sparse import csr_matrix
from written_files import THIRD_COLUMNS, write_triple

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source

# what Python reads and the page's library does not
NO_HALVES = (
    "halves.h5ad, X holds numbers of 16 bits (float16), which this page cannot read. Write the "
    "file again as float32, or map it with cellport on your computer."
)


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
    for name, way in KINDS_NAMED.items():
        folder = root / f"kinds {name}"
        folder.mkdir()
        yield case(root, f"kinds: {name}", features_of_kinds(*way)(folder))
    refused = {name: write for name, (write, _) in REFUSED.items()}
    for name, write in {**KINDS, **refused}.items():
        folder = root / name
        folder.mkdir()
        yield case(root, name, write(folder))
    yield case(root, "a text that claims 4 GB", forged_text(root / "forged.h5ad"))
    halves = root / "halves.h5ad"
    AnnData(np.eye(30, dtype=np.float16)).write_h5ad(halves)
    yield case(root, "numbers of 16 bits", halves) | {"error": NO_HALVES}


def forged_text(path: Path) -> Path:
    """Write an h5ad in which one name of a gene is said to be longer than the file."""
    names = [f"gene{i}" for i in range(30)]
    counts = csr_matrix(np.eye(30, dtype=np.float32))
    AnnData(counts, var=DataFrame(index=names)).write_h5ad(path)
    with h5py.File(path) as file:
        place = file["var/_index"].id.get_offset()
    with path.open("r+b") as written:
        written.seek(place)
        written.write((0xF0000001).to_bytes(4, "little"))
    return path


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
        said = str(error).replace(above, "").replace(f"{path} holds ", "The folder holds ")
        return stated | {"error": said}
