from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cellport.models.deploy import ExpectedCounts
from cellport.models.feature_layout import FeatureLayout
from cellport.models.normalise import PanelNormaliser
from cellport.models.vae import CountVAE, ModelConfig
from cellport.runtime.atlas.trajectory import EDGE_BINS
from cellport.runtime.mapping.gather.paths import BOUND as BOUND_IN_REPORTS
from cellport.train.cells import TrainingCells
from cellport.train.infer import Fitted
from cellport.train.structure.fit import Structure
from cellport.train.structure.profiles import (
    BOUND,
    LINEAGE_BINS,
    along_trajectory,
    edge_paths,
    lineage_members,
)

ENDS = np.array([[0, 1], [1, 2], [1, 3]], np.int32)
SUMMARY = {
    "milestones": ["stem", "fork", "left", "right"],
    "edge_ends": ENDS.tolist(),
    "terminal_states": ["left", "right"],
    "same_place": [],
}


class Fork(nn.Module):
    """Answers that are written in the latent: time, arm, and whether a cell is on the path."""

    has_trajectory = True

    def forward(self, latent: Tensor) -> tuple[Tensor, ...]:
        time, arm, on = latent[:, 0], latent[:, 1].long(), latent[:, 2]
        edge = torch.where(time < 0.5, 0, 1 + arm)
        prob = torch.eye(3)[edge] * on.unsqueeze(1)
        way = (torch.where(time < 0.5, 2 * time, 2 * time - 1)).unsqueeze(1).expand(-1, 3)
        fate = torch.where((edge == 0).unsqueeze(1), torch.full((2,), 0.5), torch.eye(2)[arm])
        sd = torch.full_like(time, 0.1)
        return torch.ones(len(latent), 1), prob, way, time, sd, fate


def _model(n_batches: int = 3) -> CountVAE:
    torch.manual_seed(0)
    normaliser = PanelNormaliser(torch.full((20,), 0.05), torch.zeros(20), torch.ones(20))
    config = ModelConfig(20, n_batches, FeatureLayout(2, 0, 0), n_hidden=8, n_latent=3)
    return CountVAE(config, normaliser, torch.randn(20, 2)).eval()


def _cells(n: int = 600, on: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    latent = np.column_stack([rng.uniform(0, 1, n), rng.integers(0, 2, n), rng.random(n) < on])
    latent = latent.astype(np.float32)
    beyond = np.maximum(latent[:, 0] - 0.5, 0) * np.where(latent[:, 1] > 0, 1, -1)
    return latent, np.column_stack([latent[:, 0], beyond]).astype(np.float32)


def _fitted(latent: NDArray[np.float32]) -> Fitted:
    code, none = np.zeros(len(latent), np.int64), np.empty(0, np.int64)
    cells = TrainingCells(sp.csr_matrix((len(latent), 20)), code, code, 0, 3, none)
    return Fitted(_model(), cells, latent, 0)


def _along(**cells: Any) -> dict[str, NDArray[Any]]:
    latent, placed = _cells(**cells)
    return along_trajectory(_fitted(latent), Structure(Fork(), SUMMARY), placed)  # type: ignore[arg-type]


def test_constants_that_reports_share() -> None:
    assert BOUND == BOUND_IN_REPORTS


def test_shapes_and_types() -> None:
    found = _along()
    shapes = {name: (array.shape, array.dtype.name) for name, array in found.items()}
    assert shapes == {
        "trajectory_path": ((3, 9, 2), "float32"),
        "trajectory_share": ((3, EDGE_BINS), "float32"),
        "trajectory_bound": ((2,), "float32"),
        "lineage_edges": ((2, 3), "uint8"),
        "lineage_time": ((2, 2), "float32"),
        "lineage_expression": ((2, LINEAGE_BINS, 20), "float32"),
    }


def test_shares_are_those_of_cells_on_the_path() -> None:
    latent, _ = _cells(on=0.7)
    on = latent[latent[:, 2] > 0]
    found = _along(on=0.7)
    assert found["trajectory_share"].sum() == pytest.approx(1, abs=1e-5)
    early = found["trajectory_share"][0].sum()
    assert early == pytest.approx((on[:, 0] < 0.5).mean(), abs=1e-5)
    left = ((on[:, 0] >= 0.5) & (on[:, 1] == 0)).mean()
    assert found["trajectory_bound"][0] == pytest.approx(left, abs=1e-5)


def test_a_lineage_is_the_way_from_the_root() -> None:
    assert lineage_members(ENDS, [2, 3]).tolist() == [[1, 1, 0], [1, 0, 1]]
    two_trees = np.array([[0, 1], [2, 3], [3, 4]], np.int32)
    assert lineage_members(two_trees, [1, 4]).tolist() == [[1, 0, 0], [0, 1, 1]]


def test_the_path_follows_the_cells_and_meets_at_milestones() -> None:
    latent, placed = _cells(n=4000)
    edge = np.where(latent[:, 0] < 0.5, 0, 1 + latent[:, 1]).astype(np.int64)
    fraction = 2 * latent[:, 0] - (edge > 0)
    path = edge_paths(ENDS, edge, fraction, placed)
    np.testing.assert_array_equal(path[0, -1], path[1, 0])
    np.testing.assert_array_equal(path[0, -1], path[2, 0])
    np.testing.assert_allclose(path[0, 4], [0.25, 0], atol=0.02)
    np.testing.assert_allclose(path[1, 4], [0.75, -0.25], atol=0.02)


def test_both_ways_round_a_circle_end_at_one_place() -> None:
    latent, placed = _cells(n=2000)
    structure: Any = Structure(Fork(), SUMMARY | {"same_place": [[2, 3]]})  # type: ignore[arg-type]
    found = along_trajectory(_fitted(latent), structure, placed)
    path = found["trajectory_path"]
    np.testing.assert_array_equal(path[1, -1], path[2, -1])


def test_an_edge_without_cells_is_a_straight_line() -> None:
    edge, fraction = np.zeros(50, np.int64), np.linspace(0, 1, 50)
    placed = np.column_stack([fraction, fraction])
    path = edge_paths(np.array([[0, 1], [1, 2]], np.int32), edge, fraction, placed)
    assert np.isfinite(path).all()
    np.testing.assert_allclose(path[1], np.broadcast_to(path[0, -1], (9, 2)))


def test_expression_is_that_of_the_cells_around_each_step() -> None:
    model = _model()
    latent, _ = _cells(n=3000)
    found = _along(n=3000)
    decoded = ExpectedCounts(model)
    first, last = found["lineage_time"][0]
    width = (last - first) / LINEAGE_BINS
    for step in (4, 12):
        centre = first + width * (step + 0.5)
        here = latent[(np.abs(latent[:, 0] - centre) < width / 4)]
        here = here[(here[:, 1] == 0) | (here[:, 0] < 0.5)]
        with torch.inference_mode():
            each = [
                decoded(torch.from_numpy(here), b.expand(len(here), -1), torch.full((1, 1), 1e4))
                for b in torch.eye(3)
            ]
        expected = np.expm1(np.log1p(np.mean([e.numpy() for e in each], axis=0)).mean(axis=0))
        np.testing.assert_allclose(found["lineage_expression"][0, step], expected, rtol=0.03)


def test_all_cells_stand_for_those_on_a_trajectory_without_any() -> None:
    found = _along(on=-1)
    assert found["trajectory_share"].sum() == pytest.approx(1, abs=1e-5)
    assert all(np.isfinite(array).all() for array in found.values())


def test_nothing_is_said_without_a_trajectory() -> None:
    latent, placed = _cells()
    head = Fork()
    head.has_trajectory = False
    assert along_trajectory(_fitted(latent), Structure(head, {}), placed) == {}  # type: ignore[arg-type]
