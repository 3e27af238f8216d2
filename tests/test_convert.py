"""What docs/convert.md tells to type does what it says, on models trained for the tests."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from click.testing import CliRunner, Result

from cellport.cli import main

ROOT = Path(__file__).resolve().parent.parent
FOREIGN = ROOT / "tests" / "data" / "foreign"
# its encoder asks for a batch
ASKS = FOREIGN / "scanvi_covariates"
PAGE = (ROOT / "docs" / "convert.md").read_text()
COMMANDS = re.findall(r"^cellport (.+)$", PAGE, re.MULTILINE)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), catch_exceptions=False)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(FOREIGN / "celltypist_eight" / "model.pkl", "Immune_All_Low.pkl")
    shutil.copytree(ASKS, "model_folder")
    cells = np.load(FOREIGN / "cells.npz")
    query = anndata.AnnData(sp.csr_matrix(cells["query.counts"].astype(np.float32)))
    query.var_names = cells["query.genes"].tolist()
    query.write_h5ad("my_cells.h5ad")
    return tmp_path


def test_what_the_page_tells_to_type(place: Path) -> None:
    batches = json.loads((ASKS / "meta.json").read_text())["batches"]
    assert len(COMMANDS) >= 3
    for command in COMMANDS:
        # these need a hub, or a training extra and minutes: tests/runtime/fetch, tests/train/attach
        if "celltypist:" in command or "--reference" in command:
            continue
        words = [batches[0] if word == "donor_3" else word for word in command.split()]
        done = run(*words)
        assert done.exit_code == 0, (command, done.output)
    mapped = anndata.read_h5ad("mapped.h5ad")
    assert {"cellport_label", "cellport_prob", "cellport_qc"} == set(mapped.obs)
    assert list(mapped.obsm) == ["X_cellport"]
    report = Path("report.html").read_text()
    assert "How sure these labels are is not known" in report
    assert "cellport_label_set" not in report
    assert "cellport_call" not in report


def test_info_says_what_an_atlas_was_made_of(place: Path) -> None:
    assert run("convert", "model_folder", "-o", "a.cellport").exit_code == 0
    shown = run("info", "a.cellport")
    assert "SCANVI of scvi-tools" in shown.output
    assert "the mean of" in shown.output
    stated = json.loads(run("info", "a.cellport", "--json").output)
    assert stated["assumed_batch"]["cells"] == 200
    assert 0 <= stated["assumed_batch"]["agreement"] <= 1
    assert stated["head"]["set_prob"] == []
    assert run("verify", "a.cellport").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing.pkl", "-o", "a.cellport"), "There is no file or folder nothing.pkl"),
        (("my_cells.h5ad", "-o", "a.cellport"), "no model that cellport converts"),
        (("model_folder", "-o", "a.cellport", "--as-batch", "b"), "knows no batch 'b'"),
        (("Immune_All_Low.pkl", "-o", "a.cellport", "--as-batch", "b"), "does not ask for a batch"),
        (("Immune_All_Low.pkl", "-o", "no/a.cellport"), "does not exist"),
    ],
)
def test_what_cannot_be_converted(words: tuple[str, ...], said: str, place: Path) -> None:
    done = run("convert", *words)
    assert done.exit_code == 2
    assert said in done.output
    assert not Path("a.cellport").exists()


@pytest.mark.parametrize("suffix", [".csv", ".h5ad", ".zarr", ".parquet"])
def test_every_output_takes_it(suffix: str, place: Path) -> None:
    assert run("convert", "Immune_All_Low.pkl", "-o", "a.cellport").exit_code == 0
    done = run("map", "a.cellport", "my_cells.h5ad", "-o", f"out{suffix}", "--json")
    assert done.exit_code == 0, done.output
    summary: dict[str, Any] = json.loads(done.stdout)
    assert sum(summary["calls"].values()) == 60


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--neighbors", "3"), "no reference cells"),
        (("--lineage-genes", "genes.csv"), "trajectory"),
        (("--corrected-expression", "CD4"), "no reference cells"),
    ],
)
def test_what_a_converted_atlas_lacks_is_said(
    options: tuple[str, ...], said: str, place: Path
) -> None:
    assert run("convert", "Immune_All_Low.pkl", "-o", "a.cellport").exit_code == 0
    done = run("map", "a.cellport", "my_cells.h5ad", "-o", "out.h5ad", *options)
    assert done.exit_code == 2
    assert said in done.output
