"""The report that the page saves is that of `cellport map --report`."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from reports import assert_alike
from visits import served, visit

from cellport.demo import demo_example
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.gather import REPORT
from cellport.runtime.report.write import write_report
from cellport.web.server.publish import publish

SAVE = ["save", ["page.html", "text=Save the report (HTML)"]]
PRETRAINED = Path(__file__).resolve().parents[3] / "models" / "pretrained"


def saved(site: str, tmp_path: Path, query: Path, *steps: list[Any]) -> str:
    steps = steps or (["choose", [str(query)]],)
    visit(site, tmp_path, ["verified"], ["offline"], *steps, ["mapped"], SAVE)
    return (tmp_path / "page.html").read_text()


def written(atlas: Atlas, query: Path, tmp_path: Path) -> str:
    path = tmp_path / "command.html"
    write_report(atlas, atlas.map(query, gather=REPORT), path)
    return path.read_text()


@pytest.fixture(scope="module")
def degraded(lung: tuple[Atlas, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every third gene, a fiftieth of the counts, some cells empty, names that are markup."""
    cells = anndata.read_h5ad(lung[1])[:, ::3].copy()
    dense = np.asarray(sp.csr_matrix(cells.X).todense()).astype(int)
    dense[:7] = 0
    rng = np.random.default_rng(0)
    cells.X = sp.csr_matrix(rng.binomial(dense, 0.02).astype(np.float32))
    path = tmp_path_factory.mktemp("degraded") / "a_<b>few & 'shallow'_\u202e.h5ad"
    cells.write_h5ad(path)
    return path


def test_along_a_trajectory(site: str, lung: tuple[Atlas, Any], tmp_path: Path) -> None:
    page = saved(site, tmp_path, lung[1])
    command = written(lung[0], lung[1], tmp_path)
    assert 'id="lineage-genes"' in command
    assert 'id="reasons"' in command
    assert_alike(page, command)


def test_of_cells_unlike_the_atlas(
    site: str, lung: tuple[Atlas, Any], strange: Path, tmp_path: Path
) -> None:
    command = written(lung[0], strange, tmp_path)
    assert 'class="groups"' in command
    assert_alike(saved(site, tmp_path, strange), command)


def test_of_damaged_cells(
    site: str, lung: tuple[Atlas, Any], degraded: Path, tmp_path: Path
) -> None:
    command = written(lung[0], degraded, tmp_path)
    assert "without any count" in command
    assert_alike(saved(site, tmp_path, degraded), command)


@pytest.mark.parametrize("name", ["lung", "blood"])
def test_of_demonstration_cells(
    name: str, lung: tuple[Atlas, Any], tmp_path: Path, page_folder: Path
) -> None:
    atlas = load_atlas(PRETRAINED / f"{name}.cellport")
    publish(atlas.file.path, tmp_path / "site", example=demo_example(atlas.manifest))
    with served(tmp_path / "site") as address:
        page = saved(f"{address}/", tmp_path, lung[1])
    assert_alike(page, written(atlas, lung[1], tmp_path))


def test_says_when_it_was_made(site: str, lung: tuple[Atlas, Any], tmp_path: Path) -> None:
    page = saved(site, tmp_path, lung[1], ["click", "#example"])
    assert datetime.fromisoformat(re.search(r"mapped on</th><td>([\d-]+)<", page)[1])
    assert "(browser)" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("how", ["keyboard", "touch"])
def test_without_a_mouse(how: str, site: str, tmp_path: Path) -> None:
    save = ["save", ["page.html", "text=Save the report (HTML)", how]]
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["act", [how, "#example"]],
        ["mapped"],
        save,
        ["axe", "axe"],
        touch=how == "touch",
        width=390 if how == "touch" else 1440,
    )
    assert "cellport mapping report" in (tmp_path / "page.html").read_text()
    assert out["values"]["axe"] == []
