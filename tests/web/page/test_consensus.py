"""Several atlases are asked on the page as Python asks them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from page_cases import case, shipped
from parts import write_parts
from reports import assert_alike
from visits import served, visit

from cellport.demo import write_sample
from cellport.runtime.columns import AGREEMENT, JOINT, JOINT_PROB, LABEL, NOVEL, PROB
from cellport.runtime.decisions import say
from cellport.runtime.map_files import map_files
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.gather import REPORT
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.report.write import write_report
from cellport.web.server.publish import publish

SHIPPED = ("human", "lung", "blood", "pancreas")


def test_the_same_is_said_together(
    converted: Callable[[str], Path], compute_again: Callable[..., None], tmp_path: Path
) -> None:
    unheard = converted("celltypist_no_mean")
    for path in (*map(shipped, SHIPPED), shipped("mouse-pancreas"), unheard):
        write_parts(load_atlas(path), tmp_path / path.stem)
    write_queries(*map(anndata.read_h5ad, write_sample(tmp_path)), tmp_path)
    cases = [
        case(tmp_path, "lung.h5ad", "lung", "blood", "human", "pancreas"),
        case(tmp_path, "droplets.h5ad", "blood", "lung", "lung"),
        case(tmp_path, "many.h5ad", "human", "blood"),
        case(tmp_path, "few.h5ad", "blood", "lung", "human", minimum_genes=0.05),
        case(tmp_path, "few.h5ad", "lung", "blood", rescale_genes=True),
        case(tmp_path, "few.h5ad", "human", "pancreas", minimum_genes=0.6),
        case(tmp_path, "lung.h5ad", "lung", "mouse-pancreas"),
        case(tmp_path, "lung.h5ad", "lung", unheard),
    ]
    assert [one["error"] is not None for one in cases] == [False] * 5 + [True] * 3
    (tmp_path / "asked.json").write_text(json.dumps(cases))
    compute_again(tmp_path, "same_asked")


def write_queries(droplets: anndata.AnnData, plates: anndata.AnnData, folder: Path) -> None:
    """Cells of two technologies; more than are listened to; half of their genes, some empty."""
    for name, cells in (("lung", plates), ("droplets", droplets)):
        cells.X = sp.csr_matrix(cells.X)
        cells.obs = cells.obs[[]]
        cells.write_h5ad(folder / f"{name}.h5ad")
    order = np.sort(np.random.default_rng(0).integers(0, plates.n_obs, 2500))
    anndata.AnnData(plates.X[order], var=plates.var).write_h5ad(folder / "many.h5ad")
    few = droplets[:, ::2].copy()
    few.X = few.X.multiply((np.arange(few.n_obs) % 9 > 0)[:, None]).tocsr()
    few.write_h5ad(folder / "few.h5ad")


@pytest.fixture(scope="module")
def several(page_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("several")
    publish([shipped(name) for name in ("lung", "blood", "human")], folder / "site")
    with served(folder) as address:
        yield f"{address}/site/"


def test_another_atlas_is_asked_and_nothing_fetched_for_it_later(
    several: str, tmp_path: Path
) -> None:
    """The table, the report and the file for scanpy are the command line's."""
    _, cells = write_sample(tmp_path)
    box = ".also label:has-text('{}') input"
    out = visit(
        f"{several}?atlas=lung",
        tmp_path,
        ["verified"],
        ["click", ".also summary"],
        ["act", ["mouse", box.format("blood")]],
        ["verified"],
        ["axe", "ticked"],
        ["view", "ticked.png"],
        ["offline"],
        ["choose", [str(cells)]],
        ["mapped"],
        ["text", ["opinions", "#opinions"]],
        ["click", "#opinions tbody button >> nth=0"],
        ["text", ["apart", "#selection-title"]],
        ["click", "#selection tbody button >> nth=0"],
        ["text", ["cell", "#selection"]],
        ["axe", "mapped"],
        ["shot", "also.png"],
        ["size", [390, 844]],
        ["shot", "also_narrow.png"],
        ["evaluate", ["wide", "document.documentElement.scrollWidth"]],
        ["save", ["page.csv", "text=Download results (CSV)"]],
        ["save", ["page.h5ad", "text=Download for scanpy"]],
        ["save", ["page.html", "text=Save the report (HTML)"]],
        ["evaluate", ["address", "location.search"]],
    )
    said = out["values"]
    at = out["requests"].index("offline")
    assert all(address.startswith("blob:") for address in out["requests"][at + 1 :])
    assert said["address"] == "?atlas=lung&also=blood"
    assert said["wide"] <= 390
    assert said["ticked"] == said["mapped"] == []

    command, page = tmp_path / "command.h5ad", tmp_path / "page.h5ad"
    report, how = tmp_path / "command.html", MapOptions(also=shipped("blood"))
    atlas = load_atlas(shipped("lung"))
    map_files(atlas, [cells], command, how)
    write_report(atlas, atlas.map(cells, how, gather=REPORT), report)
    assert_alike((tmp_path / "page.html").read_text(), report.read_text())
    ours, theirs = anndata.read_h5ad(page), anndata.read_h5ad(command)
    assert list(ours.obs) == list(theirs.obs)
    for name in (JOINT, f"{LABEL}_blood", f"{NOVEL}_blood"):
        assert ours.obs[name].dtype == theirs.obs[name].dtype
        assert ours.obs[name].tolist() == theirs.obs[name].tolist()
    for name in (JOINT_PROB, AGREEMENT, f"{PROB}_blood"):
        np.testing.assert_allclose(ours.obs[name], theirs.obs[name], atol=1e-6)
    for one, other in zip(
        json.loads(ours.uns["cellport"]["labels_alike"]["blood"]),
        json.loads(theirs.uns["cellport"]["labels_alike"]["blood"]),
        strict=True,
    ):
        assert one == other | {"cells": pytest.approx(other["cells"], abs=0.11)}
    head = (tmp_path / "page.csv").read_text("utf-8-sig").partition("\n")[0]
    assert f"{NOVEL}_blood,{JOINT},{JOINT_PROB},{AGREEMENT}" in head

    agreed = re.search(r"For (.+?) of the cells", said["opinions"])[1]
    assert say("report.opinions_lead", asked=2, share=agreed) in said["opinions"]
    assert re.fullmatch(r"[\d,]+ cells?: .+ of blood, .+ together", said["apart"])
    assert "Joint label" in said["cell"]
    assert "blood: " in said["cell"]
