"""Where published models, and those trained for each option, lie."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def models() -> Path:
    data = Path(os.environ.get("CELLPORT_DATA", ROOT.parent / "shared" / "data"))
    path = data.parent / "models"
    if not path.is_dir():
        pytest.skip(f"published models are not at {path}; set CELLPORT_DATA")
    return path


@dataclass(frozen=True)
class Foreign:
    """A model as its package saved it, with cells and what the package answers for them."""

    folder: Path
    meta: dict[str, Any]
    answers: dict[str, NDArray[Any]]
    cells: dict[str, NDArray[Any]]

    @property
    def path(self) -> Path:
        file = self.folder / "model.pkl"
        return file if file.is_file() else self.folder


@pytest.fixture(scope="session")
def foreign_cells() -> dict[str, NDArray[Any]]:
    path = ROOT / "tests" / "data" / "foreign" / "cells.npz"
    if not path.is_file():
        pytest.skip(f"models trained for these tests are not at {path.parent}")
    with np.load(path) as found:
        return dict(found)


@pytest.fixture(scope="session")
def foreign(foreign_cells: dict[str, NDArray[Any]]) -> Any:
    def read(name: str) -> Foreign:
        folder = ROOT / "tests" / "data" / "foreign" / name
        if not (folder / "answers.npz").is_file():
            pytest.skip(f"no model at {folder}")
        with np.load(folder / "answers.npz") as found:
            answers = dict(found)
        return Foreign(
            folder, json.loads((folder / "meta.json").read_text()), answers, foreign_cells
        )

    return read
