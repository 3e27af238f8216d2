"""The nf-core module: what its blocks run, without Nextflow, and what its papers say of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

VALUES = {"atlas": "lung.cellport", "task.cpus": "2", "args": "--probabilities"}


@pytest.fixture(scope="module")
def module(workflows: Path) -> Path:
    return workflows / "nf-core" / "modules" / "nf-core" / "cellport" / "map"


@pytest.fixture(scope="module")
def process(module: Path) -> str:
    return (module / "main.nf").read_text()


def filled(text: str, values: dict[str, str]) -> str:
    """Put values into a string of Groovy's, which holds nothing but names and escapes."""
    text = re.sub(r"(?<!\\)\$\{?([\w.]+)\}?", lambda found: values[found[1]], text)
    return re.sub(r"\\([\\$])", r"\1", text)


def block(process: str, name: str) -> str:
    """Return the command of ``script:`` or ``stub:``."""
    found = re.search(rf'^    {name}:\n.*?"""\n(.*?)^    """', process, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def run(command: str, cwd: Path, environment: dict[str, str]) -> str:
    # the options with which Nextflow starts bash
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def declared(process: str, prefix: str) -> list[str]:
    outputs = re.findall(r'path\("([^"]+)"\), emit', process)
    return [filled(name, {"prefix": prefix}) for name in outputs]


@pytest.mark.parametrize("name", ["whole", "fewer genes"])
def test_its_script_maps_as_the_command_does(
    name: str,
    process: str,
    queries: dict[str, Path],
    atlas: Path,
    environment: dict[str, str],
    mapped: Callable[..., Path],
    same_cells: Callable[..., None],
    tmp_path: Path,
) -> None:
    for path in (queries[name], atlas):
        (tmp_path / path.name).symlink_to(path)
    values = VALUES | {"counts": queries[name].name, "prefix": "lung"}
    run(filled(block(process, "script"), values), tmp_path, environment)
    same_cells(tmp_path / "lung.mapped.h5ad", mapped(name, ".h5ad", "--probabilities"))
    assert json.loads((tmp_path / "lung.mapped.json").read_text())["n_cells"]
    made = {path.name for path in tmp_path.iterdir() if not path.is_symlink()}
    assert made == set(declared(process, "lung"))


def test_its_stub_makes_the_outputs_without_cellport(process: str, tmp_path: Path) -> None:
    shell = Path(shutil.which("touch") or "").parent
    values = VALUES | {"prefix": "lung"}
    run(filled(block(process, "stub"), values), tmp_path, {"PATH": str(shell)})
    assert {path.name for path in tmp_path.iterdir()} == set(declared(process, "lung"))


def test_it_tells_the_version(
    process: str, environment: dict[str, str], version: str, tmp_path: Path
) -> None:
    (command,) = re.findall(r'eval\("(.*?)"\), topic: versions', process)
    assert run(command, tmp_path, environment).strip() == version


def channels(part: Any) -> list[str]:
    """Names of what a channel of meta.yml holds."""
    return [name for element in part for name in element]


def test_its_papers_list_the_channels(module: Path, process: str) -> None:
    meta = yaml.safe_load((module / "meta.yml").read_text())
    given = re.findall(r"(?:path|val)[( ](\w+)", process[: process.index("output:")])
    first, second = meta["input"]
    assert [*channels(first), *second] == given
    emitted = re.findall(r"emit: (\w+)", process)
    assert list(meta["output"]) == emitted
    for name in emitted[:-1]:
        (channel,) = meta["output"][name]
        assert f'path("{channels(channel)[1]}"), emit: {name}\n' in process
    (versions,) = meta["topics"]["versions"]
    assert f'eval("{channels(versions)[2]}")' in process


def test_its_own_test_names_files_of_the_repository(module: Path, workflows: Path) -> None:
    text = (module / "tests" / "main.nf.test").read_text()
    files = re.findall(r"github.com/cellport/cellport/raw/v[\d.]+/([^']+)", text)
    assert len(files) == 4
    assert all((workflows.parent / path).is_file() for path in files)
