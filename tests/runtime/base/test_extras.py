from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cellport.runtime.base.extras import require
from cellport.runtime.errors import MissingDependencyError

ROOT = Path(__file__).resolve().parents[3]
# the extras that code asks for
ASKED = sorted(
    {
        extra
        for part in ("cellport", "runtime", "web/server", "train")
        for path in (ROOT / part).rglob("*.py")
        for extra in re.findall(r'\brequire\("(\w+)"', path.read_text())
    }
)


def requirements(extra: str) -> list[str]:
    lines = importlib.metadata.requires("cellport") or []
    return [re.split("[<>=;]", line)[0] for line in lines if f'extra == "{extra}"' in line]


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the package ask for some lines, and packages be of some versions."""

    def give(*lines: str, **versions: str) -> None:
        def version(name: str) -> str:
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(importlib.metadata, "requires", lambda _: list(lines))
        monkeypatch.setattr(importlib.metadata, "version", version)

    return give


def test_code_asks_for_extras_that_there_are() -> None:
    assert set(ASKED) >= {"dask", "neighbors", "parquet", "serve", "train", "zarr"}
    for extra in ASKED:
        assert requirements(extra), extra


@pytest.mark.parametrize("extra", ASKED)
def test_every_package_of_an_extra_is_missed(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that are imported by another name than they are installed by."""
    try:
        require(extra, "This")
    except MissingDependencyError as error:
        pytest.skip(str(error))
    modules = importlib.metadata.packages_distributions().items()
    for package in requirements(extra):
        of_package = [name for name, of in modules if package in map(str.lower, of)]
        with monkeypatch.context() as hidden:
            for name in of_package:
                hidden.setitem(sys.modules, name, None)
            with pytest.raises(MissingDependencyError, match=rf"^This needs {package}: pip"):
                require(extra, "This")


def test_all_that_is_missing_and_what_to_install(metadata: Callable[..., None]) -> None:
    metadata('nowhere>=1; extra == "train"', 'elsewhere; extra == "train"', 'none; extra == "x"')
    with pytest.raises(MissingDependencyError) as caught:
        require("train", "Training")
    command = "pip install 'cellport[train,cpu]'"
    assert str(caught.value) == f"Training needs elsewhere, nowhere: {command}."
    with pytest.raises(MissingDependencyError, match=r"^It needs none: pip install 'cellport\[x\]"):
        require("x", "It")
    require("y", "It")


def test_the_onnx_runtime_of_the_gpu_is_left_alone(metadata: Callable[..., None]) -> None:
    metadata('nowhere; extra == "train"', **{"onnxruntime-gpu": "1.20"})
    with pytest.raises(MissingDependencyError, match=r"pip install 'cellport\[train\]'\.$"):
        require("train", "Training")


@pytest.mark.parametrize(
    ("least", "here", "enough"),
    [
        ("3", "2.18.7", False),
        ("3", "3.0.0", True),
        ("3.0", "3", True),
        ("2.6", "2.10.0+cu128", True),
        ("2.6", "2.5.1", False),
        ("2024.9", "2024.10.0", True),
        ("2024.9", "2024.8.2", False),
        ("1.8", "1.8.0rc1", True),
        ("1.8", "unknown", False),
    ],
)
def test_too_old_is_missing(
    least: str, here: str, enough: bool, metadata: Callable[..., None]
) -> None:
    metadata(f'numpy>={least}; extra == "x"', f"scipy (>={least}) ; extra == 'x'", numpy=here)
    if enough:
        require("x", "It")
        return
    said = rf"^It needs numpy {re.escape(least)} or newer \(this is {re.escape(here)}\): pip "
    with pytest.raises(MissingDependencyError, match=said):
        require("x", "It")


def test_without_metadata_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", nothing)
    with pytest.warns(RuntimeWarning, match="Training needs the packages of cellport.train."):
        require("train", "Training")


def test_mapping_does_not_read_metadata() -> None:
    code = "import cellport.cli, cellport.runtime.map_files, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    loaded = done.stdout.split()
    assert "cellport.runtime.map_files" in loaded
    assert not {"cellport.runtime.base.extras", "platformdirs"} & set(loaded)
