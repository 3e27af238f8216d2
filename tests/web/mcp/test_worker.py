"""A process that works for an agent keeps to its bounds, and ends with who asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cellport.web.mcp.folders import Folders, open_folders
from cellport.web.mcp.worker import request

COMMAND = [sys.executable, "-P", "-m", "cellport.web.mcp.worker"]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    (tmp_path / "job").mkdir()
    with subprocess.Popen(COMMAND, **pipes, cwd=tmp_path / "job") as process:
        yield process
        process.kill()


def test_a_result_that_grows_too_large_is_refused(
    worker: Any, folder: Path, out: Path, tmp_path: Path
) -> None:
    asked = {"atlas": "lung", "files": ["cells.h5ad"], "out": "m.csv", "report": None}
    folders = open_folders([folder], out)
    worker.stdin.write(request("map_cells", asked, folders, threads=1, largest_result=5000))
    worker.stdin.flush()
    lines = [json.loads(line) for line in worker.stdout]
    assert lines[-1] == {"error": "The result is larger than the 5,000 bytes that are allowed."}
    assert worker.wait(10) == 0
    assert not list((tmp_path / "job").iterdir())


def test_it_ends_when_nobody_is_there_any_more(worker: Any, folder: Path, many: list[str]) -> None:
    asked = {"atlas": "lung", "files": many, "out": None, "report": None}
    folders = Folders((folder,))
    worker.stdin.write(request("map_cells", asked, folders, threads=1, largest_result=10**9))
    worker.stdin.flush()
    assert json.loads(worker.stdout.readline())["total"] == 39_300
    worker.stdin.close()
    assert worker.wait(10) == 1
