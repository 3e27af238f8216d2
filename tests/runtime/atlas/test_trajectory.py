from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellport.runtime.atlas.file import npy_bytes, open_atlas_file
from cellport.runtime.atlas.trajectory import (
    direction,
    gene_changes,
    log_level,
    read_trajectory,
    require_trajectory,
)
from cellport.runtime.errors import AtlasError, InputError
from cellport.runtime.genes.panel import Panel


@pytest.fixture
def described(made_up_path: Any, rewritten_atlas: Callable[..., Path]) -> Callable[..., Any]:
    """Open the tiny atlas with a made-up trajectory, some arrays or fields of it replaced."""

    def describe(arrays: dict[str, Any] | None = None, **stated: Any) -> Any:
        members = {
            f"arrays/{name}.npy": npy_bytes(array)
            for name, array in (made_up_path.arrays(100) | (arrays or {})).items()
        }
        training = {"structure": made_up_path.summary | stated}
        return open_atlas_file(rewritten_atlas(members, training=training))

    return describe


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
    assert found.in_brief()["edge_ends"] == made_up_path.summary["edge_ends"]


def test_ends_at_one_place_are_the_far_side_of_a_circle(
    described: Callable[..., Any], made_up_path: Any
) -> None:
    whole = read_trajectory(described())
    assert whole is not None
    assert whole.circles == []
    path = made_up_path.arrays(100)["trajectory_path"]
    path[2, -1] = path[1, -1]
    round_way = read_trajectory(described({"trajectory_path": path}))
    assert round_way is not None
    assert round_way.circles == [(2, 3)]


def test_an_atlas_without_a_trajectory_has_none(tiny_atlas: Any) -> None:
    assert read_trajectory(tiny_atlas) is None
    with pytest.raises(InputError, match="no trajectory"):
        require_trajectory(None, tiny_atlas.manifest)


def test_an_older_atlas_says_what_it_lacks(
    made_up_path: Any, rewritten_atlas: Callable[..., Path]
) -> None:
    older = open_atlas_file(rewritten_atlas(training={"structure": made_up_path.summary}))
    assert read_trajectory(older) is None
    with pytest.raises(InputError, match="made before"):
        require_trajectory(None, older.manifest)


@pytest.mark.parametrize(
    "changed",
    [
        {"trajectory_ends": np.array([[0, 1], [1, 2], [1, 9]], np.int32)},
        {"trajectory_ends": np.array([[0, 1], [1, 2], [1, -1]], np.int32)},
        {"trajectory_ends": np.zeros((3, 2), np.float32)},
        {"trajectory_path": np.zeros((3, 9, 3), np.float32)},
        {"trajectory_path": np.full((3, 9, 2), np.nan, np.float32)},
        {"trajectory_share": np.zeros((2, 10), np.float32)},
        {"trajectory_bound": np.zeros(3, np.float32)},
        {"lineage_edges": np.zeros((2, 2), np.uint8)},
        {"lineage_time": np.zeros((2, 3), np.float32)},
        {"lineage_expression": np.zeros((2, 0, 100), np.float32)},
        {"lineage_expression": np.zeros((2, 16, 99), np.float32)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_arrays_that_do_not_fit_are_refused(
    described: Callable[..., Any], changed: dict[str, Any]
) -> None:
    with pytest.raises(AtlasError, match="do not fit"):
        read_trajectory(described(changed))


@pytest.mark.parametrize("milestones", [None, 3, [1, 2, 3, 4], ["stem"], []])
def test_milestones_that_are_no_names_are_refused(
    described: Callable[..., Any], milestones: Any
) -> None:
    with pytest.raises(AtlasError, match="do not fit"):
        read_trajectory(described(milestones=milestones))


def test_genes_are_ranked_by_their_change(described: Callable[..., Any]) -> None:
    expression = np.full((2, 16, 100), 5.0, np.float32)
    way = np.linspace(0, 1, 16)
    expression[0, :, 7] = 100 * way
    expression[0, :, 8] = 50 * (1 - way)
    expression[0, :, 9] = 20 * np.sin(np.pi * way)
    expression[0, :, 10] = 10 - 8 * np.sin(np.pi * way)
    atlas = described({"lineage_expression": expression})
    found = read_trajectory(atlas)
    assert found is not None
    names = Panel(atlas.manifest.symbols, atlas.manifest.ensembl).names
    left = gene_changes(found, names, "left")
    assert [gene.gene for gene in left[:4]] == names[[7, 8, 9, 10]].tolist()
    assert [gene.direction for gene in left[:4]] == ["up", "down", "peak", "dip"]
    assert left[0].change == pytest.approx(np.log2(101), rel=1e-6)
    assert left[0].peak == pytest.approx(found.steps[0, -1])
    assert (left[0].start, left[0].end) == (0, 100)
    both = gene_changes(found, names)
    assert len(both) == 200
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
