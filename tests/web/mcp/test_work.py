"""What each tool answers, asked of the process that does the work, which then ends by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scipy.io

import cellport
from cellport.web.mcp.folders import Folders, open_folders
from cellport.web.mcp.worker import request

COMMAND = [sys.executable, "-P", "-m", "cellport.web.mcp.worker"]
Ask = Callable[..., dict[str, Any]]


def write_10x(folder: Path, cells: Any) -> None:
    folder.mkdir()
    scipy.io.mmwrite(folder / "matrix.mtx", cells.counts.T.astype(int))
    genes = zip(cells.ensembl, cells.symbols, strict=True)
    (folder / "genes.tsv").write_text("".join(f"{gene}\t{symbol}\n" for gene, symbol in genes))
    (folder / "barcodes.tsv").write_text("".join(f"cell{at}\n" for at in range(240)))


@pytest.fixture(scope="module")
def places(
    tiny_cells: Any, tiny_atlas_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Folders:
    """A folder with a small atlas, its cells as two formats, and a file that is no atlas."""
    folder = tmp_path_factory.mktemp("inside")
    shutil.copy(tiny_atlas_path, folder / "own.cellport")
    (folder / "damaged.cellport").write_bytes(b"PK")
    tiny_cells.adata().write_h5ad(folder / "cells.h5ad")
    write_10x(folder / "10x", tiny_cells)
    return open_folders([folder], tmp_path_factory.mktemp("out"))


@pytest.fixture
def ask(places: Folders, tmp_path: Path) -> Ask:
    """Ask a process of its own; its last line."""

    def answer(tool: str, largest: int = 10**8, **arguments: Any) -> dict[str, Any]:
        (tmp_path / "job").mkdir()
        line = request(tool, arguments, places, threads=1, largest_result=largest)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process: Any
        with subprocess.Popen(COMMAND, **pipes, cwd=tmp_path / "job") as process:
            process.stdin.write(line)  # which stays open: it ends with who asked
            process.stdin.flush()
            said: dict[str, Any] = [json.loads(line) for line in process.stdout][-1]
            assert process.wait(60) == 0
        return said

    return answer


@pytest.fixture
def folder(places: Folders) -> Path:
    return places.readable[0]


def test_atlases_are_listed_and_what_is_none_says_why(ask: Ask, folder: Path) -> None:
    listed = {one["atlas"]: one["about"] for one in ask("list_atlases")["answer"]["atlases"]}
    assert listed[str(folder / "own.cellport")] == "tiny, human; 3 labels"
    assert "not a whole cellport atlas" in listed[str(folder / "damaged.cellport")]


@pytest.mark.parametrize("asked", [{"tool": "describe_atlas"}, {"tool": "check_file"}])
def test_an_atlas_is_described(ask: Ask, asked: dict[str, str], tiny_atlas: Any) -> None:
    more = {"atlas": "own.cellport"}
    if asked["tool"] == "check_file":
        more = {"file": "own.cellport", "atlas": None, "layer": None}
    found = ask(**asked, **more)["answer"]
    assert (found["atlas"], found["labels"]) == ("tiny", ["alpha", "beta", "gamma"])
    assert (found["genes"], found["sha256"]) == (100, tiny_atlas.sha256)
    assert found["gives_probabilities"]


@pytest.mark.parametrize(("name", "form"), [("cells.h5ad", "HDF5"), ("10x", "folder")])
def test_counts_are_described(ask: Ask, tiny_cells: Any, name: str, form: str) -> None:
    found = ask("check_file", file=name, atlas=None, layer=None)["answer"]
    assert (found["format"], found["cells"], found["genes"]) == (form, 240, 150)
    assert found["first_cells"] == [f"cell{at}" for at in range(5)]
    genes = {*tiny_cells.symbols[:5], *tiny_cells.ensembl[:5]}
    assert len(set(found["first_genes"]) & genes) == 5
    assert set(found["columns"]) >= ({"cell_type", "donor"} if form == "HDF5" else set())


def test_counts_are_matched_with_an_atlas(ask: Ask) -> None:
    found = ask("check_file", file="cells.h5ad", atlas="own.cellport", layer=None)["answer"]
    assert (found["atlas"], found["atlas_genes"]["n_matched"]) == ("tiny", 100)


def test_labels_are_explained(ask: Ask, folder: Path) -> None:
    asked = {"atlas": "own.cellport", "file": "cells.h5ad", "labels": ["beta"], "cells": []}
    found = ask("explain_labels", **asked, genes=3, layer=None)["answer"]
    atlas = cellport.load_atlas(folder / "own.cellport")
    expected = cellport.explain(atlas, folder / "cells.h5ad", labels=["beta"], genes=3)
    names = [one.gene for one in expected.reasons[0].genes]
    assert [one["gene"] for one in found["reasons"][0]["genes"]] == names


def test_atlases_are_ranked(ask: Ask, folder: Path) -> None:
    (found,) = ask("rank_atlases", file="cells.h5ad", atlases=["own.cellport"])["answer"]["atlases"]
    (expected,) = cellport.rank_atlases(folder / "cells.h5ad", [folder / "own.cellport"])
    assert (found["name"], found["sentence"]) == ("tiny", expected.sentence)


def test_cells_are_mapped(ask: Ask, folder: Path, tmp_path: Path) -> None:
    asked = {"atlas": "own.cellport", "files": ["cells.h5ad"], "out": "m.csv", "report": "r.html"}
    found = ask("map_cells", **asked)
    assert found["written"] == ["m.csv", "r.html"]
    atlas = cellport.load_atlas(folder / "own.cellport")
    summary = cellport.map_files(atlas, folder / "cells.h5ad", tmp_path / "m.csv")
    assert (tmp_path / "job" / "m.csv").read_bytes() == (tmp_path / "m.csv").read_bytes()
    assert "<h1" in (tmp_path / "job" / "r.html").read_text()
    answer = found["answer"]
    assert (answer["cells"], answer["calls"]) == (240, summary.calls)
    kinds = ("called_a_label", "called_a_broader_group", "called_unknown")
    assert sum(answer[one] for one in kinds) == 240


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"tool": "describe_atlas", "atlas": "none.cellport"}, "none.cellport"),
        ({"tool": "describe_atlas", "atlas": 3}, "Unexpected error (AttributeError)"),
        (
            {
                "tool": "map_cells", "atlas": "own.cellport", "files": ["cells.h5ad"],
                "out": "m.csv", "report": None, "largest": 500,
            },
            "The result is larger than the 500 bytes that are allowed.",
        ),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_a_sentence(ask: Ask, asked: dict[str, Any], error: str) -> None:
    found = ask(**asked)
    assert list(found) == ["error"]
    assert error in found["error"]
    assert "Traceback" not in found["error"]
