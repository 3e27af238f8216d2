"""The Galaxy tool passes its linter and its own tests, and gives what `cellport map` gives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUNNER = Path(__file__).with_name("galaxy_tool.py")
FEWER_GENES = {
    "counts": "it's fewer genes",
    "atlas|cached": "lung",
    "output|format": "tsv",
    "with_report": "false",
    "cell_ontology": "true",
}


@pytest.fixture(scope="module")
def tool(workflows: Path) -> Path:
    return workflows / "galaxy" / "cellport_map" / "cellport_map.xml"


@pytest.fixture(scope="module")
def came(
    tool: Path,
    atlas: Path,
    queries: dict[str, Path],
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What came of the tool's own tests, and of a job of fewer genes."""
    if "CELLPORT_HOSTS" not in os.environ:
        pytest.skip("CELLPORT_HOSTS does not name the programs of .ci/hosts.txt")
    data, work = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("work")
    shutil.copy(atlas, data)
    shutil.copy(queries["whole"], data / "lung_sample.h5ad")
    shutil.copy(queries["fewer genes"], data / FEWER_GENES["counts"])
    python = Path(os.environ["CELLPORT_HOSTS"]) / "python"
    done = subprocess.run(
        [python, RUNNER, tool, data, work],
        input=json.dumps([FEWER_GENES]),
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_its_own_tests_pass(came: dict[str, Any]) -> None:
    assert [one["wrong"] for one in came["tests"]] == [[], [], []]
    assert all(one["asserted"] >= 2 for one in came["tests"])


@pytest.mark.parametrize(
    ("kind", "number", "output", "name", "options"),
    [
        ("tests", 0, "mapped_h5ad", "whole", ["--layer", "X"]),
        ("tests", 1, "mapped_table", "whole", ["--probabilities"]),
        ("jobs", 0, "mapped_table", "fewer genes", ["--cell-ontology"]),
    ],
)
def test_it_maps_as_the_command_does(
    kind: str,
    number: int,
    output: str,
    name: str,
    options: list[str],
    came: dict[str, Any],
    mapped: Callable[..., Path],
    same_cells: Callable[..., None],
) -> None:
    job = came[kind][number]
    assert job["code"] == 0, job["stderr"]
    made = Path(job["outputs"][output])
    same_cells(made, mapped(name, made.suffix, *options))


def test_messages_name_the_users_dataset(came: dict[str, Any]) -> None:
    assert "it_s_fewer_genes, X: 300 cells" in came["jobs"][0]["stderr"]


def test_its_linter_has_nothing_to_say(
    tool: Path, run_host: Callable[..., Any], tmp_path: Path
) -> None:
    done = run_host("planemo", "lint", "--fail_level", "warn", tool.parent, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 test(s) found" in done.stdout
