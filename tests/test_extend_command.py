"""What docs/extend.md tells to type does what it says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import pytest
from click.testing import CliRunner, Result

from cellport.cli import main

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "extend.md").read_text()
COMMANDS = re.findall(r"^cellport (.+)$", PAGE, re.MULTILINE)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.fixture
def place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_atlas_path: Path,
    tiny_cells: Any,
    tiny_new_cells: Callable[..., Any],
) -> Path:
    """A folder with the files that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    Path("lung.cellport").write_bytes(tiny_atlas_path.read_bytes())
    new = tiny_new_cells()
    new.write_h5ad("tumour.h5ad")
    anndata.concat([tiny_cells.adata()[:60], new], merge="same").write_h5ad("my_cells.h5ad")
    return tmp_path


def test_what_the_page_tells_to_type(place: Path) -> None:
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        done = run(*shlex.split(command))
        assert done.exit_code == 0, (command, done.output)
        assert "added " in done.stdout
        assert run("verify", "lung-2.cellport").exit_code == 0
        mapped = run("map", "lung-2.cellport", "my_cells.h5ad", "-o", "mapped.h5ad")
        assert mapped.exit_code == 0, mapped.output
        label = anndata.read_h5ad("mapped.h5ad").obs["cellport_label"]
        assert label.isin(["delta", "tumour cell"]).sum() >= 30


def test_json_is_for_programs(place: Path) -> None:
    done = run("extend", "lung.cellport", "tumour.h5ad", "--labels", "cell_type",
               "-o", "out.cellport", "--json")  # fmt: skip
    made = json.loads(done.stdout)
    assert made["types"][0]["label"] == "delta"
    assert made["path"] == "out.cellport"
    assert "manifest" not in made


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--labels", "nothing"], "nothing"),
        (["--novel", "one=delta"], "--novel 'one=delta' is no number of a group and a name"),
        (["--novel", "1="], "--novel '1=' is no number"),
        ([], "Which cells are what is not said"),
    ],
)
def test_mistakes_are_sentences(place: Path, words: list[str], sentence: str) -> None:
    done = run("extend", "lung.cellport", "tumour.h5ad", "-o", "out.cellport", *words)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.output
    assert not Path("out.cellport").exists()


def test_known_cells_are_told_beside_new_ones(place: Path) -> None:
    done = run("extend", "lung.cellport", "my_cells.h5ad", "--labels", "cell_type",
               "-o", "out.cellport")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "added 'delta' of 40 cells" in done.stdout
    told = dict(re.findall(r"updated '(\w+)' by (\d+) cells", done.stdout))
    assert sum(map(int, told.values())) == 60
    assert set(told) == {"alpha", "beta", "gamma"}
