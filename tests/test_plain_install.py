"""What ``pip install 'cellport[cpu,serve]'`` brings is enough for what needs no other extra."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import anndata
import pytest

from cellport.demo import write_sample
from cellport.web.server.site import PAGE

# starts the command line as if some modules were not installed
WITHOUT = """
import importlib.abc, sys

absent = set(sys.argv.pop(1).split(","))

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from cellport.cli import main
main(sys.argv[1:])
"""


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _brought(extras: tuple[str, ...]) -> set[str]:
    """Distributions that an install of cellport with these extras brings, and what they need."""
    found: set[str] = set()
    waiting = [("cellport", extras)]
    while waiting:
        name, asked = waiting.pop()
        try:
            lines = requires(name) or []
        except PackageNotFoundError:  # of another system or Python
            continue
        for line in lines:
            extra = re.search(r"""extra\s*==\s*["']([^"']+)["']""", line)
            needed = re.match(r"[\w.-]+", line)
            if needed and (extra is None or extra[1] in asked):
                other = _plain(needed[0])
                if other not in found:
                    found.add(other)
                    waiting.append((other, ()))
    return found | {"cellport"}


@pytest.fixture(scope="module")
def absent() -> str:
    brought = _brought(("cpu", "serve"))
    modules = packages_distributions().items()
    missing = {module for module, names in modules if not brought & set(map(_plain, names))}
    assert {"anndata", "pandas", "torch", "sklearn"} <= missing
    assert not {"numpy", "h5py", "onnxruntime", "fastapi", "rich", "click"} & missing
    return ",".join(missing)


def test_cells_are_mapped_and_shown(absent: str, tmp_path: Path) -> None:
    _, query = write_sample(tmp_path)
    commands = [
        ["rank", query.name],
        ["map", "lung", query.name, "-o", "mapped.h5ad", "--report", "report.html"],
        ["map", "lung", query.name, "-o", "mapped.csv", "--also", "human", "--novel-groups"],
        ["explain", "lung", query.name],
        ["panel", "lung", query.name],
        ["export", "mapped.h5ad", "--loupe", "loupe"],
        ["verify", "lung"],
        *([["publish", "lung", "blood", "site"]] if PAGE.is_dir() else []),
    ]
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT, absent, *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stderr)
    examples = [anndata.read_h5ad(path).n_obs for path in (tmp_path / "site").rglob("*.h5ad")]
    assert examples == [131] * PAGE.is_dir()
