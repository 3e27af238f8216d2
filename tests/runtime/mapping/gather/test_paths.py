from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.trajectory import EDGE_BINS
from cellport.runtime.mapping.gather.paths import BOUND, PathFindings

EDGES = ("stem -> fork", "fork -> left", "fork -> right")
STATES = ("left", "right")


def _gathered(cells: Any) -> PathFindings:
    found = PathFindings(cells.schema, STATES)
    for block, genes in cells.blocks([100, 200]):
        found.add(block, genes)
    return found


def test_cells_are_counted_once(made_up_cells: Any) -> None:
    cells = made_up_cells(500, clusters=("0", "1"), edges=EDGES, states=2)
    found = _gathered(cells)
    on = cells.obs["cellport_edge"] >= 0
    assert found.n_on == on.sum() == found.by_edge.sum()
    early = (cells.obs["cellport_edge"] == 1) & (
        cells.obs["cellport_edge_fraction"] < 1 / EDGE_BINS
    )
    assert found.by_edge[1, 0] == early.sum()
    first = (cells.obs["cellport_cluster"] == 0) & (cells.obs["cellport_call"] == 2)
    assert found.by_cluster[0, 2] == first.sum()
    with np.errstate(invalid="ignore"):
        assert found.bound[1] == (cells.obsm["X_cellport_fate"][:, 1] >= BOUND).sum()
    assert found.bound.sum() < found.n_on
    sd = cells.obs["cellport_pseudotime_sd"][on]
    assert found.mean_sd == pytest.approx(sd.mean(), rel=1e-3)


def test_a_mapping_without_structure_has_none(made_up_cells: Any) -> None:
    found = _gathered(made_up_cells(50))
    assert (found.clusters, found.edges, found.terminals) == ((), (), ())
    assert (found.n_on, found.mean_sd) == (0, 0)
    unlabelled = _gathered(made_up_cells(50, labels=(), clusters=("0", "1")))
    assert unlabelled.by_cluster.shape == (2, 1)
