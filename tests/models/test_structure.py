from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.models.structure import GaussianMixture, StructureHead, TrajectoryPoints


def _mixture(means: torch.Tensor, width: float = 0.1) -> GaussianMixture:
    return GaussianMixture(means.T / width**2, -0.5 * means.square().sum(1) / width**2)


def _line() -> StructureHead:
    """Two edges along the first axis, 0 to 1 and 1 to 2, and a component far off."""
    x = torch.linspace(0, 2, 41)
    means = torch.stack([x, torch.zeros(41)], dim=1)
    means = torch.cat([means, torch.tensor([[0.0, 5.0]])])
    edge = torch.stack([x < 1, x >= 1], dim=1).float()
    padding = torch.zeros(1)
    trajectory = TrajectoryPoints(
        _mixture(means),
        torch.cat([edge, torch.zeros(1, 2)]),
        torch.cat([x % 1, padding]),
        torch.cat([x / 2, padding]),
        torch.cat([torch.ones(41), padding]).unsqueeze(1),
        pseudotime_sd=torch.full((42,), 0.02),
    )
    return StructureHead(_mixture(torch.tensor([[0.0, 0.0], [2.0, 0.0]])), trajectory).eval()


def test_a_cell_on_the_line_is_placed_there() -> None:
    cluster, edge, fraction, time, sd, fate = _line()(torch.tensor([[0.5, 0.0], [1.5, 0.05]]))
    assert cluster.argmax(1).tolist() == [0, 1]
    assert edge.argmax(1).tolist() == [0, 1]
    torch.testing.assert_close(fraction.diagonal(), torch.full((2,), 0.5), atol=0.02, rtol=0)
    torch.testing.assert_close(time, torch.tensor([0.25, 0.75]), atol=0.01, rtol=0)
    # half the width of the noise, as pseudotime is half the way, and that of the points on top
    torch.testing.assert_close(sd, torch.full((2,), (0.05**2 + 0.02**2) ** 0.5), atol=3e-3, rtol=0)
    torch.testing.assert_close(fate, torch.ones(2, 1))


def test_a_cell_off_the_line_is_on_no_edge() -> None:
    edge = _line()(torch.tensor([[0.0, 5.0]]))[1]
    assert edge.sum() < 0.01


@given(st.integers(0, 1000), st.integers(1, 5), st.floats(0.1, 100))
@settings(max_examples=40, deadline=None)
def test_answers_are_finite_and_the_same_in_any_company(seed: int, n: int, scale: float) -> None:
    cells = torch.from_numpy(
        np.random.default_rng(seed).normal(0, scale, (n, 2)).astype(np.float32)
    )
    head = _line()
    together, alone = head(cells), head(cells[:1])
    for one, other in zip(together, alone, strict=True):
        assert torch.isfinite(one).all()
        torch.testing.assert_close(one[:1], other)


def test_without_a_trajectory_there_are_clusters_alone() -> None:
    head = StructureHead(_mixture(torch.tensor([[0.0, 0.0], [2.0, 0.0]])), None)
    (cluster,) = head(torch.tensor([[1.9, 0.3]]))
    assert cluster.argmax() == 1
