from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cellport.kernels
from cellport.kernels.jit import kernel

KERNELS = Path(cellport.kernels.__file__).parent
SCRIPT = """
import numpy as np
from frozen_kernels import nearest
point = np.ones((1, 1), np.float32)
assert nearest.exact_neighbors(point, point, 1)[1] == 0
stats = nearest.nearest.stats
print(stats.cache_path, sum(stats.cache_hits.values()))
"""


@pytest.fixture
def read_only_install(tmp_path: Path) -> Path:
    """A copy of the kernels beside which no cache can be made."""
    copy = tmp_path / "frozen_kernels"
    shutil.copytree(KERNELS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    # A file where the folder would be: permissions do not stop every user.
    (copy / "__pycache__").write_text("")
    return tmp_path


def run(install: Path, home: Path) -> list[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    environment |= {"PYTHONPATH": str(install), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home), "LOCALAPPDATA": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_read_only_install_caches_in_the_users_folder(read_only_install: Path) -> None:
    home = read_only_install / "home"
    home.mkdir()
    path, hits = run(read_only_install, home)
    assert Path(path).is_relative_to(home)
    assert hits == "0"
    assert run(read_only_install, home) == [path, "1"]


def test_kernels_run_where_no_cache_can_be_made(read_only_install: Path) -> None:
    nowhere = read_only_install / "home"
    nowhere.write_text("")
    path, hits = run(read_only_install, nowhere)
    assert (path, hits) == ("None", "0")


def test_a_user_without_a_home_gets_no_folder_called_tilde(read_only_install: Path) -> None:
    script = "import os.path\nos.path.expanduser = lambda path: path\n" + SCRIPT
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    environment |= {"PYTHONPATH": str(read_only_install), "PYTHONDONTWRITEBYTECODE": "1"}
    empty = read_only_install / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=empty, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["None", "0"]
    assert list(empty.iterdir()) == []


def test_of_what_is_in_no_file_nothing_is_kept() -> None:
    names: dict[str, Any] = {}
    exec("def twice(x):\n    return 2 * x\n", names)
    twice = kernel(names["twice"])
    assert twice(21) == 42
    assert twice.stats.cache_path is None


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(x: int) -> int:
        return 2 * x

    kept: Any = kernel(twice)
    assert kept.stats.cache_path is not None
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    alone: Any = kernel(twice)
    assert alone(21) == 42
    assert alone.stats.cache_path is None
