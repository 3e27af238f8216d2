"""Hosts of workflows, the cells that they are given, and what `cellport map` makes of these."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any

import h5py
import numpy as np
import pytest

from cellport.cli import main
from cellport.runtime.version import __version__

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / "workflows"
ATLAS = ROOT / "models" / "pretrained" / "lung.cellport"
CELLS = ROOT / "cellport" / "demo_data" / "lung_sample.h5ad"


@pytest.fixture(scope="session")
def workflows() -> Path:
    return WORKFLOWS


@pytest.fixture(scope="session")
def version() -> str:
    return __version__


@pytest.fixture(scope="session")
def atlas() -> Path:
    return ATLAS


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a host: its `cellport` is the one that is tested, its home is empty."""
    folder = tmp_path_factory.mktemp("path")
    tool = folder / "cellport"
    own = " ".join(
        f"{name}={quote(os.environ[name])}" for name in ("HOME", "PYTHONPATH") if name in os.environ
    )
    tool.write_text(f'#!/bin/sh\nexec env {own} "{sys.executable}" -P -m cellport "$@"\n')
    tool.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "HOME": str(tmp_path_factory.mktemp("home"))}


@pytest.fixture(scope="session")
def run_host(
    environment: dict[str, str],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a tool of the hosts' environment; skip where there is none."""

    def run(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        folder = os.environ.get("CELLPORT_HOSTS")
        if folder is None:
            pytest.skip("CELLPORT_HOSTS does not name the programs of .ci/hosts.txt")
        tool = shutil.which(name, path=folder)
        assert tool, f"{folder} lacks {name}: pip install -r .ci/hosts.txt"
        return subprocess.run(
            [tool, *map(str, arguments)],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture(scope="session")
def queries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The cells of the demonstration, and 300 of them without every seventh gene."""
    import anndata

    folder = tmp_path_factory.mktemp("queries")
    shutil.copy(CELLS, folder / "whole.h5ad")
    cells = anndata.read_h5ad(CELLS)
    left = [i for i in range(cells.n_vars) if i % 7]
    cells[:300, left].copy().write_h5ad(folder / "fewer_genes.h5ad")
    return {path.stem.replace("_", " "): path for path in sorted(folder.iterdir())}


@pytest.fixture(scope="session")
def mapped(
    queries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Map one of the queries as the command line does."""

    def map_query(name: str, ending: str, *options: str) -> Path:
        out = tmp_path_factory.mktemp("mapped") / f"out{ending}"
        command = ["map", "lung", str(queries[name]), "-o", str(out), *options]
        main(command, standalone_mode=False)
        return out

    return map_query


@pytest.fixture(scope="session")
def same_cells() -> Callable[[Path, Path], None]:
    """Assert that two results say the same of each cell, bit for bit."""

    def columns(path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def keep(name: str, node: Any) -> None:
            if isinstance(node, h5py.Dataset) and name.startswith(("obs/", "obsm/")):
                found[name] = node[()]

        with h5py.File(path) as file:
            file.visititems(keep)
        return found

    def compare(one: Path, other: Path) -> None:
        if one.suffix != ".h5ad":
            assert one.read_bytes() == other.read_bytes()
            return
        first, second = columns(one), columns(other)
        assert first.keys() == second.keys()
        assert len(first) > 10
        for name, values in first.items():
            assert values.dtype == second[name].dtype, name
            np.testing.assert_array_equal(values, second[name], err_msg=name)

    return compare
