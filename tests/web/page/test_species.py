"""The page reads genes of another species by their orthologs as Python does, asked for only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import anndata
import pytest
import scipy.sparse as sp
from page_cases import case, shipped
from parts import write_parts
from visits import served, visit

from cellport.demo import write_sample
from cellport.runtime.genes.orthologs import orthologs
from cellport.runtime.mapping.atlas import load_atlas
from cellport.web.server.publish import publish


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of the lung: as they are, as if of mouse by symbols and by ids, and with few genes."""
    folder = tmp_path_factory.mktemp("species")
    cells = anndata.read_h5ad(write_sample(folder)[1])
    cells.X, cells.obs = sp.csr_matrix(cells.X), cells.obs[[]]
    cells.write_h5ad(folder / "human.h5ad")
    mouse = cells.copy()
    mouse.var_names = [
        orthologs("human").get(name.upper(), f"Gm{name}") for name in cells.var_names
    ]
    mouse.var_names_make_unique()
    mouse.var = mouse.var[[]]
    mouse.write_h5ad(folder / "mouse.h5ad")
    mouse[:, ::3].copy().write_h5ad(folder / "few.h5ad")
    return folder


def test_orthologs_are_read_alike(queries: Path, compute_again: Callable[..., None]) -> None:
    for name in ("lung", "human", "mouse-pancreas", "blood"):
        write_parts(load_atlas(shipped(name)), queries / name)
    cases = [
        case(queries, "mouse.h5ad", "lung", orthologs=True),
        case(queries, "mouse.h5ad", "human", "blood", orthologs=True, minimum_genes=0.1),
        case(queries, "human.h5ad", "mouse-pancreas", orthologs=True, minimum_genes=0.1),
        case(queries, "few.h5ad", "lung", orthologs=True, minimum_genes=0.1),
        case(queries, "human.h5ad", "lung", orthologs=True),
        case(queries, "mouse.h5ad", "mouse-pancreas", orthologs=True),
        case(queries, "mouse.h5ad", "lung"),
    ]
    assert [one["error"] is not None for one in cases] == [False] * 4 + [True] * 3
    (queries / "asked.json").write_text(json.dumps(cases))
    compute_again(queries, "same_asked")


@pytest.fixture(scope="module")
def lung_site(page_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    publish(shipped("lung"), folder / "lung")
    with served(folder) as address:
        yield f"{address}/lung/"


def test_the_table_is_fetched_when_it_is_asked_for(
    lung_site: str, queries: Path, tmp_path: Path
) -> None:
    out = visit(
        lung_site,
        tmp_path,
        ["verified"],
        ["choose", [str(queries / "mouse.h5ad")]],
        ["refused", "refused"],
        ["click", "#options summary"],
        ["click", "#orthologs"],
        ["axe", "axe"],
        ["wait", 1000],
        ["offline"],
        ["choose", [str(queries / "mouse.h5ad")]],
        ["mapped"],
        ["text", ["notes", "#notes"]],
    )
    said, requests = out["values"], out["requests"]
    assert said["refused"] == case(queries, "mouse.h5ad", "lung")["error"]
    asked = [at for at, address in enumerate(requests) if "orthologs" in address]
    assert len(asked) == 1
    assert asked[0] < requests.index("offline")
    (note,) = case(queries, "mouse.h5ad", "lung", orthologs=True)["notes"][:1]
    assert note in said["notes"]
    assert said["axe"] == []
