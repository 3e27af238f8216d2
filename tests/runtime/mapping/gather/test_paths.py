from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.report.path_collect import BOUND, EDGE_BINS, PathCollector

EDGES = ("stem -> fork", "fork -> left", "fork -> right")
STATES = ("left", "right")


def _gathered(cells: Any, cuts: list[int]) -> Any:
    collector = PathCollector(cells.schema, STATES)
    bounds = [0, *sorted(cuts), cells.n]
    for start, stop in pairwise(bounds):
        collector.add(cells.block(start, stop))
    return collector.findings()


def test_cells_are_counted_once(made_up: Any) -> None:
    cells = made_up.cells(500, clusters=("0", "1"), edges=EDGES, states=2)
    found = _gathered(cells, [])
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


@given(cuts=st.lists(st.integers(0, 300), max_size=5))
@settings(max_examples=20, deadline=None)
def test_blocks_do_not_matter(made_up: Any, cuts: list[int]) -> None:
    cells = made_up.cells(300, clusters=("0",), edges=EDGES, states=2)
    one, other = _gathered(cells, []), _gathered(cells, cuts)
    for name in ("by_cluster", "by_edge", "bound"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_mapping_without_structure_has_none(made_up: Any) -> None:
    found = _gathered(made_up.cells(50), [])
    assert (found.clusters, found.edges, found.terminals) == ((), (), ())
    unlabelled = _gathered(made_up.cells(50, labels=(), clusters=("0", "1")), [])
    assert unlabelled.by_cluster.shape == (2, 1)
