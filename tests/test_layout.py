"""The arrows between the folders, and the price of importing the runtime."""

from __future__ import annotations

import ast
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("cellport", "kernels", "models", "train", "runtime", "web")
# the data layer of the runtime: what training may use of it
DATA_LAYER = (
    "atlas_file", "errors", "gene_rules", "genes", "label_tree", "novelty", "processors", "session",
    "sources", "thresholds", "version",
)  # fmt: skip
ALLOWED = {
    "kernels": (),
    "models": (),
    "runtime": ("kernels",),
    "train": ("models", "kernels", *(f"runtime.{name}" for name in DATA_LAYER)),
    "web": ("runtime",),
    "cellport": ("train", "runtime", "web"),
}
HEAVY = (
    "torch",
    "onnx",
    "pandas",
    "anndata",
    "pyarrow",
    "zarr",
    "sklearn",
    "matplotlib",
    "dask",
    "distributed",
)


def _imports(path: Path, package: str) -> Iterator[str]:
    """Absolute names of the cellport modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]).rstrip(".")
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.startswith("cellport."))


def _files() -> Iterator[tuple[str, Path, str]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            below = path.relative_to(ROOT / folder).with_suffix("").parts[:-1]
            top = "cellport" if folder == "cellport" else f"cellport.{folder}"
            yield folder, path, ".".join([top, *below])


def test_every_folder_has_code() -> None:
    assert {folder for folder, _, _ in _files()} == set(FOLDERS)


@pytest.mark.parametrize(("folder", "path", "package"), list(_files()), ids=lambda v: str(v))
def test_imports_follow_the_arrows(folder: str, path: Path, package: str) -> None:
    allowed = (folder, *ALLOWED[folder])
    for name in _imports(path, package):
        below = name.removeprefix("cellport.")
        of_own_face = folder == "cellport" and below.split(".")[0] not in FOLDERS
        fits = any(below == arrow or below.startswith(f"{arrow}.") for arrow in allowed)
        parent_of_allowed = any(arrow.startswith(f"{below}.") for arrow in allowed)
        assert of_own_face or fits or parent_of_allowed, f"{path} imports {name}"


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "module", ["cellport", "cellport.runtime", "cellport.runtime.map_files", "cellport.cli"]
)
def test_mapping_path_imports_nothing_heavy(module: str) -> None:
    loaded = _python(f"import {module}, sys; print(*sorted(sys.modules))").split()
    assert not set(HEAVY) & set(loaded)


def test_import_cellport_is_cheap() -> None:
    loaded = _python("import cellport, sys; print(*sys.modules)").split()
    assert not {"numpy", "numba", "h5py", "onnxruntime"} & set(loaded)


def test_runtime_import_budget() -> None:
    """Less than twice what its three big dependencies take, which it cannot do without."""
    bare = "import numpy, onnxruntime, numba"
    ours = "import cellport.runtime, cellport.runtime.map_files, onnxruntime"
    times: dict[str, list[float]] = {bare: [], ours: []}
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    for round_ in range(6):
        for code, measured in times.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, cwd="/", env=environment)
            if round_:
                measured.append(time.perf_counter() - began)
    assert statistics.median(times[ours]) < 2 * statistics.median(times[bare])
