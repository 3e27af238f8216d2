"""`cellport convert --reference` as it is typed, and what each command makes of its atlas."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from click.testing import CliRunner, Result

from cellport.cli import main

FOREIGN = Path(__file__).resolve().parents[2] / "data" / "foreign"
COLUMNS = ("--labels", "label", "--batch", "batch")
TOLD = {"label", "prob", "label_set", "call", "novelty_p", "novel", "cluster", "qc"}


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reference cells and a query."""
    folder = tmp_path_factory.mktemp("place")
    cells = np.load(FOREIGN / "cells.npz")
    for name in ("reference", "query"):
        obs = pd.DataFrame({key: cells[f"{name}.{key}"].astype(str) for key in ("label", "batch")})
        obs.index = pd.Index([f"{name} {i}" for i in range(len(obs))])
        made = anndata.AnnData(
            sp.csr_matrix(cells[f"{name}.counts"].astype(np.float32)),
            obs,
            pd.DataFrame(index=cells[f"{name}.genes"].astype(str)),
        )
        made.write_h5ad(folder / f"{name}.h5ad")
    return folder


@pytest.fixture(
    scope="module",
    params=["celltypist_eight/model.pkl", "scanvi_covariates", "scpoli_default"],
)
def made(request: Any, place: Path) -> tuple[Path, Result]:
    """An atlas that was made by the command, and what it said."""
    atlas = place / f"{request.param.partition('/')[0]}.cellport"
    reference = ("--reference", place / "reference.h5ad", *COLUMNS)
    return atlas, run("convert", FOREIGN / request.param, "-o", atlas, *reference)


def test_progress_is_shown_and_findings_are_told(made: tuple[Path, Result]) -> None:
    _, done = made
    assert done.exit_code == 0, done.output
    for step in ("reading, cell 200/200", "labels, step", "novelty, step", "map, step"):
        assert f"fitting: {step}" in done.stderr
    assert "200 of 200 labelled reference cells have a label of the model" in done.stderr
    assert "held out" in done.stdout


def test_every_command_takes_the_atlas(made: tuple[Path, Result], place: Path) -> None:
    atlas, _ = made
    out, report = place / "mapped.h5ad", place / "report.html"
    mapped = run("map", atlas, place / "query.h5ad", "-o", out, "--neighbors", "2",
                 "--report", report)  # fmt: skip
    assert mapped.exit_code == 0, mapped.output
    found = anndata.read_h5ad(out)
    assert {f"cellport_{name}" for name in TOLD} <= set(found.obs)
    assert any("neighbor" in name for name in found.obs)
    assert {"X_cellport", "X_cellport_umap"} <= set(found.obsm)
    page = report.read_text()
    assert "How sure these labels are is not known" not in page
    assert "cellport_label_set" in page
    stated = json.loads(run("info", atlas, "--json").stdout)
    assert stated["held_out"]["cells"] >= 100
    told = stated["provenance"]["training"]
    assert told["reference_cells"] == 200
    # where its maker keeps the cells is nobody's business
    assert told["reference"] == "reference.h5ad, X"
    verified = run("verify", atlas)
    assert verified.exit_code == 0, verified.output
    assert "FAILED" not in verified.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--labels", "typo"), "has no column 'typo'"),
        (("--labels", "batch"), "--labels label."),
        ((*COLUMNS, "--batch", "typo"), "has no column 'typo'"),
        ((*COLUMNS, "--ontology", "cl.obo"), "An ontology needs"),
        ((*COLUMNS, "--layer", "typo"), "typo"),
    ],
)
def test_what_is_wrong_with_the_reference_is_said(
    words: tuple[str, ...], said: str, place: Path, tmp_path: Path
) -> None:
    model, out = FOREIGN / "celltypist_eight" / "model.pkl", tmp_path / "a.cellport"
    done = run("convert", model, "-o", out, "--reference", place / "reference.h5ad", *words)
    assert done.exit_code == 2
    assert said in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_reference_is_never_written_over(place: Path) -> None:
    cells = place / "reference.h5ad"
    before = cells.read_bytes()
    model = FOREIGN / "celltypist_two" / "model.pkl"
    done = run("convert", model, "-o", cells, "--reference", cells, *COLUMNS)
    assert done.exit_code == 2
    assert cells.read_bytes() == before


def test_columns_without_a_reference_are_refused(tmp_path: Path) -> None:
    model, out = FOREIGN / "celltypist_two" / "model.pkl", tmp_path / "a.cellport"
    done = run("convert", model, "-o", out, *COLUMNS)
    assert done.exit_code == 2
    assert "belong to --reference" in done.output


def test_cells_beside_a_model_are_named_and_not_taken(place: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "model", tmp_path / "a.cellport"
    shutil.copytree(FOREIGN / "scanvi_default", folder)
    assert "Beside the model" not in run("convert", folder, "-o", out).output
    cells = shutil.copy(place / "reference.h5ad", folder / "adata.h5ad")
    for model in (folder, folder / "model.pt"):
        done = run("convert", model, "-o", out)
        assert f"--reference {cells} --labels" in done.output
    (folder / "model.pt").rename(folder / "lung_model.pt")
    cells.rename(folder / "lung_adata.h5ad")
    done = run("convert", folder / "lung_model.pt", "-o", out)
    assert f"--reference {folder / 'lung_adata.h5ad'} --labels" in done.output
    done = run("convert", folder, "-o", out, "--reference", place / "reference.h5ad", *COLUMNS)
    assert "Beside the model" not in done.output
