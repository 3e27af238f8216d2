"""cwltool runs the CommandLineTool, and gets what `cellport map` gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_it_is_valid(workflows: Path, run_host: Callable[..., Any], tmp_path: Path) -> None:
    tool = workflows / "cwl" / "cellport-map.cwl"
    done = run_host("cwltool", "--validate", "--strict", tool, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "is valid CWL" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["whole", "fewer genes"])
def test_it_maps_as_the_command_does(
    name: str,
    workflows: Path,
    queries: dict[str, Path],
    atlas: Path,
    run_host: Callable[..., Any],
    mapped: Callable[..., Path],
    same_cells: Callable[..., None],
    tmp_path: Path,
) -> None:
    options = ["--probabilities"] if name == "whole" else []
    tool = workflows / "cwl" / "cellport-map.cwl"
    given = ("--atlas", atlas, "--matrix", queries[name], *options)
    done = run_host("cwltool", "--no-container", "--quiet", tool, *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert set(made) == {"annotated_matrix", "report", "page"}
    same_cells(Path(made["annotated_matrix"]["path"]), mapped(name, ".h5ad", *options))
    report = json.loads(Path(made["report"]["path"]).read_text())
    assert report["n_cells"] == (1000 if name == "whole" else 300)
    assert "</html>" in Path(made["page"]["path"]).read_text()
