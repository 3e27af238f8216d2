from __future__ import annotations

import pytest
import torch

from cellport.models.feature_layout import FeatureLayout
from cellport.models.novelty import GroupDistance, Groups, NoveltyScore


def _groups(width: int = 3, usual: float = 2.0, scale: float = 0.5) -> Groups:
    torch.manual_seed(0)
    return Groups(
        torch.randn(width, width), torch.randn(width), torch.randn(4, width), usual, scale
    )


def test_distance_is_that_to_the_nearest_centre() -> None:
    groups = _groups()
    values = torch.randn(50, 3)
    at = values @ groups.axes - groups.origin
    apart = torch.cdist(at, groups.centres, compute_mode="donot_use_mm_for_euclid_dist")
    expected = torch.sqrt(1 + apart.amin(dim=1).square() / 2.0) / 0.5
    torch.testing.assert_close(GroupDistance(groups)(values), expected)


def test_a_cell_at_a_centre_far_from_the_origin_is_not_strange() -> None:
    groups = Groups(torch.eye(2), torch.zeros(2), torch.tensor([[3e3, 4e3]]), 1.0, 1.0)
    assert GroupDistance(groups)(groups.centres).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("labels", [0, 2])
def test_score_adds_up_the_layers(labels: int) -> None:
    layout = FeatureLayout(3, labels, 2)
    discriminants = _groups(labels) if labels else None
    score = NoveltyScore(layout, _groups(3), discriminants, _groups(4))
    features, latent = torch.randn(5, layout.n_features), torch.randn(5, 4)
    expected = GroupDistance(_groups(3))(features[:, :3]) + GroupDistance(_groups(4))(latent)
    if labels:
        expected = expected + GroupDistance(_groups(labels))(features[:, 3 : 3 + labels])
    torch.testing.assert_close(score(features, latent), expected)
