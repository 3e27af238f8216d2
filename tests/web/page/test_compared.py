"""The genes of two selections beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from visits import MAPPED, visit

from cellport.runtime.mapping.atlas import Atlas

CHOOSE = "#types tbody .link >> nth={}"


def test_genes_of_a_type_stand_beside_those_of_another_and_of_all_others(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        ["evaluate", ["names", NAMES]],
        ["click", CHOOSE.format(0)],
        ["click", "text=Genes beside all others"],
        ["wait", 500],
        ["save", ["others.csv", "#compared .csv"]],
        ["axe", "others"],
        ["click", "text=Hold to compare"],
        ["click", CHOOSE.format(1)],
        ["click", "#selection button:has-text('Genes beside') >> nth=1"],
        ["wait", 500],
        ["text", ["title", "#compared h2"]],
        ["count", ["rows", "#compared tbody tr"]],
        ["save", ["two.csv", "#compared .csv"]],
        ["axe", "two"],
        ["click", "#compared tbody .link >> nth=0"],
        ["wait", 500],
        ["text", ["coloured", "#legend h3"]],
    )
    said = out["values"]
    one, other, *_ = said["names"]
    atlas, query = lung
    call = atlas.map(query)["cellport_call"]
    cells = anndata.read_h5ad(query)
    has = pd.DataFrame(cells.X.toarray() > 0, columns=cells.var_names)
    assert_shares(pd.read_csv(tmp_path / "others.csv", index_col=0), has, call == one, call != one)
    two = pd.read_csv(tmp_path / "two.csv", index_col=0)
    assert_shares(two, has, call == other, call == one)
    differences = two["A less B"].to_numpy()
    assert (np.diff(differences) <= 0).all()
    np.testing.assert_allclose(differences, two["Mean in A"] - two["Mean in B"], atol=1e-6)
    assert said["title"].startswith("Genes of ")
    assert said["title"].count(one) == said["title"].count(other) == 1
    assert said["rows"] == min(50, len(two))
    assert said["coloured"].startswith(two.index[0])
    assert said["others"] == said["two"] == []


NAMES = "[...document.querySelectorAll('#types tbody .link')].map((one) => one.innerText)"


def assert_shares(found: pd.DataFrame, has: pd.DataFrame, first: Any, second: Any) -> None:
    """Shares are those of the file, and genes that hardly any cell has are left out."""
    assert len(found) > 20
    for column, cells in (("Cells of A with it", first), ("Cells of B with it", second)):
        np.testing.assert_allclose(found[column], has.loc[cells, found.index].mean(), atol=1e-6)
    assert found[["Cells of A with it", "Cells of B with it"]].max(axis=1).min() >= 0.1
