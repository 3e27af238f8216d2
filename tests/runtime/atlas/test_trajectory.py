from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.trajectory import (
    direction,
    gene_changes,
    log_level,
    read_trajectory,
    require_trajectory,
)
from cellport.runtime.errors import AtlasError, InputError
from cellport.runtime.genes.panel import Panel

N_GENES = 30


@pytest.fixture
def described(made_up_path: Any, small_atlas: Callable[..., AtlasFile]) -> Callable[..., AtlasFile]:
    """Open the small atlas with a made-up trajectory, some of its arrays replaced."""
    return lambda **arrays: small_atlas(
        made_up_path.arrays(N_GENES) | arrays,
        structure=made_up_path.structure,
        panel=Panel(tuple(f"GENE{i}" for i in range(N_GENES)), ("",) * N_GENES),
    )


def test_reads_what_was_written(described: Callable[..., Any], made_up_path: Any) -> None:
    found = read_trajectory(described())
    assert found is not None
    assert found.roots == ("stem",)
    assert found.terminals == ("left", "right")
    assert found.lineage_edges.tolist() == [[True, True, False], [True, False, True]]
    np.testing.assert_array_equal(found.positions[1], found.path[0, -1])
    np.testing.assert_array_equal(found.positions[0], found.path[0, 0])
    assert (np.diff(found.steps, axis=1) > 0).all()
    assert (found.steps[:, 0] > found.time[:, 0]).all()
    assert (found.steps[:, -1] < found.time[:, 1]).all()
    graph = made_up_path.structure.trajectory
    assert found.in_brief()["edge_ends"] == [list(ends) for ends in graph.edges]
    assert (found.milestones, found.edges) == (graph.milestones, graph.edge_names)


def test_ends_at_one_place_are_the_far_side_of_a_circle(
    described: Callable[..., Any], made_up_path: Any
) -> None:
    whole = read_trajectory(described())
    assert whole is not None
    assert whole.circles == []
    path = made_up_path.arrays(N_GENES)["trajectory_path"]
    path[2, -1] = path[1, -1]
    round_way = read_trajectory(described(trajectory_path=path))
    assert round_way is not None
    assert round_way.circles == [(2, 3)]


def test_an_atlas_without_a_trajectory_has_none(small_atlas: Callable[..., AtlasFile]) -> None:
    assert read_trajectory(small_atlas()) is None
    with pytest.raises(InputError, match="Atlas 'small' has no trajectory"):
        require_trajectory(None, "small")


@pytest.mark.parametrize(
    "name",
    ["trajectory_path", "trajectory_share", "trajectory_bound", "lineage_time"],
)
def test_arrays_that_hold_no_numbers_are_refused(
    described: Callable[..., AtlasFile], made_up_path: Any, name: str
) -> None:
    changed = made_up_path.arrays(N_GENES)[name].copy()
    changed[-1] = np.nan
    with pytest.raises(AtlasError, match=f"{name}.npy .* something else than numbers;"):
        read_trajectory(described(**{name: changed}))


def test_a_lineage_of_no_steps_is_refused(described: Callable[..., AtlasFile]) -> None:
    with pytest.raises(AtlasError, match=r"lineage_expression\.npy is empty"):
        read_trajectory(described(lineage_expression=np.zeros((2, 0, N_GENES), np.float32)))


def test_genes_are_ranked_by_their_change(described: Callable[..., Any]) -> None:
    expression = np.full((2, 16, N_GENES), 5.0, np.float32)
    way = np.linspace(0, 1, 16)
    expression[0, :, 7] = 100 * way
    expression[0, :, 8] = 50 * (1 - way)
    expression[0, :, 9] = 20 * np.sin(np.pi * way)
    expression[0, :, 10] = 10 - 8 * np.sin(np.pi * way)
    atlas = described(lineage_expression=expression)
    found = read_trajectory(atlas)
    assert found is not None
    names = atlas.manifest.panel.names
    left = gene_changes(found, names, "left")
    assert [gene.gene for gene in left[:4]] == names[[7, 8, 9, 10]].tolist()
    assert [gene.direction for gene in left[:4]] == ["up", "down", "peak", "dip"]
    assert left[0].change == pytest.approx(np.log2(101), rel=1e-6)
    assert left[0].peak == pytest.approx(found.steps[0, -1])
    assert (left[0].start, left[0].end) == (0, 100)
    both = gene_changes(found, names)
    assert len(both) == 2 * N_GENES
    assert {gene.lineage for gene in both} == {"left", "right"}
    assert all(gene.change == 0 for gene in both if gene.lineage == "right")
    with pytest.raises(InputError, match="left, right"):
        gene_changes(found, names, "up")


@given(arrays(np.float64, st.integers(3, 20), elements=st.floats(0, 20)))
def test_a_course_turned_round_goes_the_other_way(level: Any) -> None:
    turned = {"up": "down", "down": "up", "peak": "peak", "dip": "dip"}
    one, other = direction(level), direction(level[::-1])
    assert other == turned[one] or level[0] == level[-1]


def test_log_level() -> None:
    np.testing.assert_allclose(log_level(np.array([0.0, 1.0, 3.0])), [0, 1, 2])
