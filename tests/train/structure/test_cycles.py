from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from cellport.train.structure.backbone import Backbone, fit_backbone
from cellport.train.structure.curve import distances, fit_curve
from cellport.train.structure.cycles import close_cycle, cut_cycle, on_cycle
from cellport.train.structure.lineages import read_lineages

RING = Backbone(np.zeros((5, 2)), np.array([[0, 1], [1, 2], [2, 3], [3, 0], [0, 4]]))


def _ring(n: int = 1200, share: float = 1.0, seed: int = 0) -> tuple[NDArray, NDArray]:
    """Cells around a share of a circle, and how far round each is, 0 to 1."""
    rng = np.random.default_rng(seed)
    way = rng.uniform(0, share, n)
    place = rng.normal(0, 0.25, (n, 8))
    place[:, 0] += 4 * np.cos(2 * np.pi * way)
    place[:, 1] += 4 * np.sin(2 * np.pi * way)
    return place, way


def _closed(latent: NDArray, seed: int = 0) -> tuple[Backbone, NDArray]:
    tree, diffused = fit_backbone(latent, seed)
    return close_cycle(tree, diffused.space), diffused.space


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cells_in_a_circle_close_it(seed: int) -> None:
    backbone, _ = _closed(_ring(seed=seed)[0], seed)
    assert on_cycle(backbone).all()
    assert (backbone.degree == 2).all()


@pytest.mark.parametrize("share", [0.7, 0.9])
def test_a_gap_keeps_it_open(share: float) -> None:
    backbone, _ = _closed(_ring(share=share)[0])
    assert not on_cycle(backbone).any()
    assert len(backbone.edges) == len(backbone.vertex) - 1


def test_a_line_and_a_ball_are_no_circle() -> None:
    rng = np.random.default_rng(0)
    line = rng.normal(0, 0.3, (900, 8))
    line[:, 0] += np.linspace(0, 12, 900)
    for latent in (line, rng.normal(0, 1, (900, 8))):
        assert not on_cycle(_closed(latent)[0]).any()


def test_the_circle_of_a_lasso_is_found_and_its_rope_is_not_part_of_it() -> None:
    ring, _ = _ring(900)
    rope = np.random.default_rng(1).normal(0, 0.25, (500, 8))
    rope[:, 0] += np.linspace(-10, -4, 500)
    backbone, _ = _closed(np.concatenate([ring, rope]))
    around = on_cycle(backbone)
    assert around.any()
    assert not around.all()
    assert (backbone.degree == 1).sum() == 1


def test_a_circle_is_what_is_left_when_ends_are_taken_off() -> None:
    assert on_cycle(RING).tolist() == [True] * 4 + [False]
    tree = Backbone(RING.vertex, RING.edges[[0, 1, 2, 4]])
    assert not on_cycle(tree).any()


def test_it_is_cut_where_the_root_is_farthest_away() -> None:
    tree, cut = cut_cycle(RING, np.array([1.0, 2, 3, 2, 0]))
    assert cut == 2
    assert not on_cycle(tree).any()
    assert len(tree.vertex) == 6
    assert sorted(np.flatnonzero(tree.degree == 1)) == [2, 4, 5]
    # the other edges are where they were
    assert (tree.edges != RING.edges).sum() == 1
    same, none = cut_cycle(tree, np.zeros(6))
    assert same is tree
    assert none is None


def test_both_ways_round_lead_from_the_root_to_the_far_side() -> None:
    latent, way = _ring()
    backbone, space = _closed(latent)
    curve = fit_curve(backbone, space, latent)
    root = int(cdist(space, backbone.vertex)[way.argmin()].argmin())
    found = read_lineages(backbone, curve, root)
    assert found.milestones[0] == root
    assert found.edges.tolist() == [[0, found.edges[0, 1]], [0, found.edges[1, 1]]]
    one, other = found.cycle
    assert found.milestones[one] == found.milestones[other] != root
    np.testing.assert_array_equal(found.fate.sum(axis=1), 1)
    # time is that of the shorter way: one at a place, however it was reached
    np.testing.assert_allclose(found.time, distances(backbone, curve, root)[1])
    time = found.time[curve.point_of_cell]
    shorter = np.minimum(way, 1 - way)
    assert np.corrcoef(time, shorter)[0, 1] > 0.99
    edge = found.edge[curve.point_of_cell]
    first_half = way[(time > 0.1 * time.max()) & (time < 0.9 * time.max())] < 0.5
    on = edge[(time > 0.1 * time.max()) & (time < 0.9 * time.max())]
    assert np.isin([first_half[on == 0].mean(), first_half[on == 1].mean()], [0, 1]).all()
