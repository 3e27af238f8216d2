"""What docs/compare.md tells to type does what it says."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "compare.md").read_text()
COMMANDS = re.findall(r"^cellport .*", PAGE, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def folder(
    tiny_fork: Callable[..., Any], tiny_path_atlas: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Cells of six donors under the names of the page, and what its commands make of them."""
    place = tmp_path_factory.mktemp("page")
    (place / "atlas.cellport").write_bytes(tiny_path_atlas.read_bytes())
    cells = tiny_fork(150, seed=7)
    donor = np.arange(150) % 6
    cells.obs["donor"] = [f"d{at}" for at in donor]
    cells.obs["disease"] = np.where(donor % 2, "ill", "healthy")
    cells.write_h5ad(place / "cells.h5ad")
    lines = [f"d{at},{'ill' if at % 2 else 'healthy'}" for at in range(6)]
    (place / "samples.csv").write_text("\n".join(["sample,disease", *lines]))
    return place


def run(command: str, folder: Path) -> None:
    words = [sys.executable, "-m", "cellport", *shlex.split(command)[1:]]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, (command, done.stderr)


def test_every_command_of_the_page(folder: Path) -> None:
    assert len(COMMANDS) == 4
    run(COMMANDS[0], folder)
    mapped = anndata.read_h5ad(folder / "mapped.h5ad")
    donor = anndata.read_h5ad(folder / "cells.h5ad").obs["donor"]
    for name in sorted(set(donor)):
        mapped.obs[(donor == name).to_numpy()].rename_axis("cell").to_csv(folder / f"{name}.csv")
    for command in COMMANDS[1:]:
        run(command, folder)
        with (folder / "compared" / "composition.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {row["reference"] for row in rows} == {"healthy"}
        assert any(row["p"] for row in rows)
    made = {path.name for path in (folder / "compared").iterdir()}
    listed = re.findall(r"^\| `([\w.]+)`", PAGE, flags=re.MULTILINE)
    assert made >= {name.replace("KIND", "type") for name in listed if "." in name}
    assert list((folder / "figures").glob("*.svg"))
