"""Groups by a column of the file, genes by type, sorting and searching, the address, paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from visits import MAPPED, visit

from cellport.runtime.mapping.atlas import Atlas

HEADS = "[...document.querySelectorAll('{} tbody th .link')].map((one) => one.innerText)"


def csv_of(section: str, name: str, nth: int = 0) -> list[Any]:
    return ["save", [name, f"{section} .csv >> nth={nth}"]]


def test_groups_are_made_of_what_the_cells_are_called(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        ["select", ["#group-by", "donor"]],
        ["wait", 300],
        csv_of("#by-group", "groups.csv"),
        ["click", "#by-group details summary"],
        csv_of("#by-group", "types.csv", 1),
        ["axe", "axe"],
        ["text", ["groups", "#by-group"]],
        # which sample has most unknown?
        ["click", "#by-group .sort >> nth=2"],
        ["evaluate", ["by unknown", HEADS.format("#by-group .groups > .sorted")]],
        ["click", "#by-group tbody button >> nth=0"],
        ["text", ["chosen", "#selection h2"]],
    )
    mapped = lung[0].map(lung[1])
    donor = anndata.read_h5ad(lung[1]).obs["donor"].astype(str).to_numpy()
    counted = pd.crosstab(donor, mapped["cellport_call"])
    found = pd.read_csv(tmp_path / "types.csv", index_col=0).fillna(0)
    assert set(found.columns) == set(counted.columns)
    np.testing.assert_array_equal(found.loc[counted.index, counted.columns], counted)
    groups = pd.read_csv(tmp_path / "groups.csv", index_col=0)
    for name, row in groups.iterrows():
        of = donor == name
        assert row["Cells"] == of.sum()
        assert row["Unknown"] == pytest.approx((mapped["cellport_call"][of] == "unknown").mean())
        assert row["Unlike the atlas"] == pytest.approx(mapped["cellport_novel"][of].mean())
        assert row["Mean confidence"] == pytest.approx(mapped["cellport_prob"][of].mean(), 1e-3)
    said = out["values"]
    worst = groups["Unknown"].max()
    assert groups["Unknown"][said["by unknown"][0]] == worst
    assert said["chosen"].endswith(f"cells: donor {said['by unknown'][0]}")
    assert said["axe"] == []


def test_a_gene_is_shown_by_type(site: str, lung: tuple[Atlas, Any], tmp_path: Path) -> None:
    cells = anndata.read_h5ad(lung[1])
    panel = [name for name in lung[0].panel.symbols if name in cells.var_names]
    counts = cells[:, panel].X.toarray()
    # the two that differ most between cells
    one, other = (panel[at] for at in np.argsort(-(counts > 0).var(axis=0))[:2])
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        *(step for gene in (one, other) for step in (["type", ["#gene", gene]], ["wait", 500])),
        ["text", ["title", "#genes-by-type h2"]],
        ["count", ["violins", "#genes-by-type .violin path"]],
        ["axe", "axe"],
        csv_of("#genes-by-type", "genes.csv"),
    )
    mapped = lung[0].map(lung[1])
    found = pd.read_csv(tmp_path / "genes.csv", index_col=0)
    for gene in (one, other):
        has = pd.Series(counts[:, panel.index(gene)] > 0).groupby(mapped["cellport_call"]).mean()
        shares = found[f"{gene}, cells with it"]
        pd.testing.assert_series_equal(shares[has.index], has, check_names=False)
        assert ((found[f"{gene}, mean"] > 0) == (shares > 0)).all()
    said = out["values"]
    assert said["title"] == f"{one} and {other} by type"
    assert said["violins"] == 2 * len(found)
    assert said["axe"] == []


def test_the_table_of_types_is_sorted_and_searched_with_the_keyboard(
    site: str, tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        ["evaluate", ["usual", HEADS.format("#types")]],
        ["focus", "#types .sort >> nth=0"],
        ["press", "Enter"],
        ["evaluate", ["by name", HEADS.format("#types")]],
        ["evaluate", ["sorted", "document.querySelector('#types [aria-sort]').ariaSort"]],
        ["press", "Enter"],
        ["evaluate", ["turned", HEADS.format("#types")]],
        ["focus", "#types input"],
        ["press", "n"],
        ["press", "k"],
        ["evaluate", ["found", HEADS.format("#types")]],
        ["axe", "axe"],
        csv_of("#types", "types.csv"),
    )
    said = out["values"]
    assert sorted(said["by name"], key=str.lower) == said["by name"]
    assert said["turned"] == said["by name"][::-1]
    assert said["usual"] != said["by name"]
    assert said["sorted"] == "ascending"
    assert said["found"]
    assert all("nk" in name.lower() for name in said["found"])
    saved = pd.read_csv(tmp_path / "types.csv", index_col=0)
    assert said["found"] == saved.index.tolist()
    assert said["axe"] == []


def test_what_is_shown_is_in_the_address(site: str, tmp_path: Path) -> None:
    state: Callable[[str], list[list[Any]]] = lambda name: [  # noqa: E731
        ["evaluate", [f"{name} address", "location.hash"]],
        ["evaluate", [f"{name} chosen", "document.querySelector('#selection h2').innerText"]],
        ["text", [f"{name} legend", "#legend"]],
        ["text", [f"{name} groups", "#by-group"]],
    ]
    out = visit(
        f"{site}#colour=column%3Acell_type_coarse&groups=donor&chosen=NK",
        tmp_path,
        *MAPPED,
        ["wait", 500],
        *state("given"),
        ["reload"],
        ["click", "#example"],
        ["mapped"],
        ["wait", 800],
        *state("again"),
        ["click", "#types tbody button >> nth=0"],
        ["select", ["#colour", "Cell type"]],
        ["click", "#types tbody button >> nth=0"],
        ["evaluate", ["call", "location.hash"]],
        ["type", ["#gene", "no such gene"]],
        ["select", ["#group-by", "Choose a column…"]],
        ["focus", "#canvas"],
        ["press", "Escape"],
        ["evaluate", ["usual", "location.hash"]],
    )
    said = out["values"]
    for what in ("address", "chosen", "legend", "groups"):
        assert said[f"given {what}"] == said[f"again {what}"]
    assert said["given address"] == "#colour=column%3Acell_type_coarse&groups=donor&chosen=NK"
    assert said["given chosen"].endswith(": NK")
    assert "LCA_1" in said["given groups"]
    assert said["call"] == "#groups=donor&chosen=endothelial"
    assert said["usual"] == ""


def test_on_paper_there_is_what_was_found_and_nothing_to_press(site: str, tmp_path: Path) -> None:
    shown = """((selector) => [...document.querySelectorAll(selector)].filter(
      (one) => one.getClientRects().length).length)("{}")"""
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        ["select", ["#group-by", "donor"]],
        ["wait", 300],
        ["print"],
        ["wait", 300],
        ["evaluate", ["to press", shown.format(".tools, .what, .zoom, #theme, #intake button")]],
        ["evaluate", ["map", shown.format("#canvas")]],
        ["evaluate", ["rows", shown.format("#types tbody tr, #by-group tbody tr")]],
        ["shot", "paper.png"],
    )
    said = out["values"]
    assert said["to press"] == 0
    assert said["map"] == 1
    assert said["rows"] > 10
