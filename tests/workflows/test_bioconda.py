"""The recipe asks for what pyproject.toml asks for, and is filled from a released file."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml


def rendered(recipe: Path) -> dict[str, Any]:
    """Return a recipe as conda-build reads it."""
    text = jinja2.Template(recipe.read_text(), undefined=jinja2.StrictUndefined).render(
        PYTHON="python", pin_subpackage=lambda name, max_pin: f"{name} {max_pin}"
    )
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture(scope="module")
def project(workflows: Path) -> dict[str, Any]:
    text = (workflows.parent / "pyproject.toml").read_text()
    found: dict[str, Any] = tomllib.loads(text)
    return found


@pytest.fixture(scope="module")
def recipe(workflows: Path) -> dict[str, Any]:
    return rendered(workflows / "bioconda" / "cellport" / "meta.yaml")


def test_it_asks_for_what_the_package_and_its_extra_cpu_ask_for(
    recipe: dict[str, Any], project: dict[str, Any]
) -> None:
    package = project["project"]
    asked = {*package["dependencies"], *package["optional-dependencies"]["cpu"]}
    asked.add(f"python{package['requires-python']}")
    run = [one.replace(" ", "") for one in recipe["requirements"]["run"]]
    assert sorted(run) == sorted(asked)
    host = [one.replace(" ", "") for one in recipe["requirements"]["host"]]
    assert host == [
        f"python{package['requires-python']}",
        "pip",
        *project["build-system"]["requires"],
    ]


def test_it_starts_the_same_program_under_the_same_licence(
    recipe: dict[str, Any], project: dict[str, Any], workflows: Path
) -> None:
    scripts = project["project"]["scripts"]
    assert recipe["build"]["entry_points"] == [f"{name} = {to}" for name, to in scripts.items()]
    assert recipe["build"]["noarch"] == "python"
    assert recipe["about"]["license"] == project["project"]["license"]
    assert (workflows.parent / recipe["about"]["license_file"]).is_file()


def test_its_commands_run(
    recipe: dict[str, Any], environment: dict[str, str], tmp_path: Path
) -> None:
    imports = "; ".join(f"import {name}" for name in recipe["test"]["imports"])
    commands = [*recipe["test"]["commands"], f"{sys.executable} -c '{imports}'"]
    kept = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    for command in commands:
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=environment | kept,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stderr)


def sdist(folder: Path, name: str, version: str) -> Path:
    path = folder / f"{name}-{version}.tar.gz"
    said = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n\nwhat it is\n".encode()
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        info.size = len(said)
        archive.addfile(info, io.BytesIO(said))
    return path


def fill(workflows: Path, *arguments: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, workflows / "bioconda" / "fill_recipe.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_is_filled_from_a_released_file(workflows: Path, tmp_path: Path) -> None:
    file = sdist(tmp_path, "cellport", "1.2.3")
    done = fill(workflows, file, tmp_path / "recipe")
    assert done.returncode == 0, done.stderr
    recipe = rendered(tmp_path / "recipe" / "meta.yaml")
    assert recipe["package"] == {"name": "cellport", "version": "1.2.3"}
    assert recipe["source"]["sha256"] == sha256(file.read_bytes()).hexdigest()
    assert recipe["source"]["url"].endswith("/c/cellport/cellport-1.2.3.tar.gz")


@pytest.mark.parametrize("what", ["another package", "no archive", "no file"])
def test_what_is_no_release_of_cellport_is_refused(
    what: str, workflows: Path, tmp_path: Path
) -> None:
    file = tmp_path / "cellport-1.0.tar.gz"
    if what == "another package":
        file = sdist(tmp_path, "numpy", "1.0")
    elif what == "no archive":
        file.write_bytes(b"nothing")
    done = fill(workflows, file, tmp_path / "recipe")
    assert done.returncode == 1
    assert re.match(f"Error: {re.escape(str(file))} is no source distribution of", done.stderr)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "recipe").exists()


def test_the_recipe_that_is_kept_holds_no_hash(workflows: Path) -> None:
    """It could only be that of another file: conda-build stops at it, as it should."""
    text = (workflows / "bioconda" / "cellport" / "meta.yaml").read_text()
    assert not re.search(r"\b[0-9a-f]{64}\b", text)
