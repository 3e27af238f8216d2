"""Snakemake runs the wrapper and the example, and gets what `cellport map` gives."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def example(
    workflows: Path,
    queries: dict[str, Path],
    atlas: Path,
    run_host: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder in which the example ran on samples of the test."""
    copy = tmp_path_factory.mktemp("snakemake") / "workflow of ours"
    shutil.copytree(workflows / "snakemake", copy)
    folder = copy / "example"
    rows = "".join(f"{name}\t{path}\n" for name, path in queries.items())
    (folder / "config" / "samples.tsv").write_text(f"sample\tcounts\n{rows}")
    given = (f"atlas={atlas}", "extra=--probabilities")
    done = run_host("snakemake", "--cores", 2, "--config", *given, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["whole", "fewer genes"])
def test_the_example_maps_each_sample_as_the_command_does(
    name: str, example: Path, mapped: Callable[..., Path], same_cells: Callable[..., None]
) -> None:
    same_cells(example / "results" / f"{name}.h5ad", mapped(name, ".h5ad", "--probabilities"))
    assert "</html>" in (example / "results" / f"{name}.html").read_text()
    assert "atlas genes found" in (example / "logs" / "map_cells" / f"{name}.log").read_text()


def test_its_table_has_the_calls_of_all_samples(example: Path, queries: dict[str, Path]) -> None:
    with (example / "results" / "calls.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for name in queries:
        summary = json.loads((example / "results" / f"{name}.json").read_text())
        calls = {row["call"]: int(row["cells"]) for row in rows if row["sample"] == name}
        assert calls == summary["calls"]
        assert sum(calls.values()) == summary["n_cells"]
    assert {row["sample"] for row in rows} == set(queries)


def test_the_wrapper_runs_as_in_the_collection_and_leaves_nothing_of_what_fails(
    workflows: Path,
    queries: dict[str, Path],
    run_host: Callable[..., Any],
    mapped: Callable[..., Path],
    same_cells: Callable[..., None],
    tmp_path: Path,
) -> None:
    copy = tmp_path / "master" / "bio" / "cellport" / "map"
    shutil.copytree(workflows / "snakemake" / "wrapper", copy)
    folder = copy / "test"
    shutil.copy(queries["fewer genes"], folder / "cells.h5ad")
    (folder / "broken.h5ad").write_bytes(b"no counts")
    given = ("--cores", 2, "--keep-going", "--wrapper-prefix", f"file:{tmp_path}/")
    done = run_host("snakemake", *given, "table/cells.tsv", "table/broken.tsv", cwd=folder)
    assert done.returncode != 0
    same_cells(folder / "table" / "cells.tsv", mapped("fewer genes", ".tsv"))
    # without a summary the log holds what the terminal would show
    assert "Cells by call" in (folder / "logs" / "cells.table.log").read_text()
    assert not (folder / "table" / "broken.tsv").exists()
    assert "Error: broken.h5ad" in (folder / "logs" / "broken.table.log").read_text()


@pytest.mark.parametrize("place", ["example", "wrapper/test"])
def test_its_linter_has_nothing_to_say(
    place: str, workflows: Path, run_host: Callable[..., Any], tmp_path: Path
) -> None:
    shutil.copytree(workflows / "snakemake", tmp_path / "copy")
    done = run_host("snakemake", "--lint", cwd=tmp_path / "copy" / place)
    assert done.returncode == 0, done.stderr
    assert "good condition" in done.stderr
