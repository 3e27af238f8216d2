from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cellport.models.feature_layout import FeatureLayout
from cellport.models.novelty import (
    GroupDistance,
    Groups,
    Knots,
    LayerGroups,
    NoveltyScore,
    NoveltySignals,
    Rarity,
    doubt,
)


def _groups(width: int = 3, usual: float = 2.0) -> Groups:
    torch.manual_seed(0)
    return Groups(torch.randn(width, width), torch.randn(width), torch.randn(4, width), usual)


def _knots(*at: float) -> Knots:
    return Knots(torch.tensor(at), torch.arange(len(at)).float() ** 2, 1.0)


def test_distance_is_that_to_the_nearest_centre() -> None:
    groups = _groups()
    values = torch.randn(50, 3)
    at = values @ groups.axes - groups.origin
    apart = torch.cdist(at, groups.centres, compute_mode="donot_use_mm_for_euclid_dist")
    expected = torch.sqrt(1 + apart.amin(dim=1).square() / 2.0)
    torch.testing.assert_close(GroupDistance(groups)(values), expected)


def test_a_cell_at_a_centre_far_from_the_origin_is_not_strange() -> None:
    groups = Groups(torch.eye(2), torch.zeros(2), torch.tensor([[3e3, 4e3]]), 1.0)
    assert GroupDistance(groups)(groups.centres).item() == pytest.approx(1, abs=1e-5)


def test_rarity_is_that_of_the_knots_and_linear_between_them() -> None:
    rarity = Rarity(_knots(1.0, 2.0, 4.0))
    found = rarity(torch.tensor([0.0, 1.0, 1.25, 2.0, 3.0, 4.0]))
    torch.testing.assert_close(found, torch.tensor([0, 0, 0.25, 1, 2.5, 4]))


@given(st.lists(st.floats(0, 50), min_size=2, max_size=6, unique=True))
def test_a_larger_signal_is_never_less_rare_and_beyond_the_knots_always_rarer(
    at: list[float],
) -> None:
    knots = np.cumsum(0.01 + np.sort(np.float32(at)))
    signal = torch.linspace(0, 2 * float(knots[-1]), 400)
    found = Rarity(_knots(*map(float, knots)))(signal)
    assert (found.diff() >= -1e-4).all()
    assert (found[signal > float(knots[-1]) * 1.01].diff() > 0).all()


def test_doubt_is_the_root_of_what_the_best_label_leaves() -> None:
    logits = torch.randn(30, 5) * 4
    expected = torch.sqrt(1 - torch.softmax(logits.double(), dim=1).amax(dim=1)).float()
    torch.testing.assert_close(doubt(logits), expected)
    # far below what one minus a float32 can show
    assert doubt(torch.tensor([[50.0, 0.0]])).item() == pytest.approx(np.exp(-25), rel=1e-4)


def test_two_labels_that_are_equally_likely_leave_half() -> None:
    assert doubt(torch.tensor([[3.0, 3.0]])).item() == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("labels", [0, 1, 3])
def test_score_adds_up_how_rare_each_signal_is(labels: int) -> None:
    layout = FeatureLayout(3, labels, 2)
    # the groups of four centres are those of no label, the first label, the second ...
    apart, together = _groups(labels), _groups(labels)._replace(centres=torch.randn(1, labels))
    # the last label has no cells
    of_label = torch.tensor([1, 2, -1])[:labels]
    layers = LayerGroups(_groups(3), _groups(4), (apart, together) if labels else None, of_label)
    features, latent = torch.randn(40, layout.n_features), torch.randn(40, 4)
    logits = torch.randn(40, labels)
    given = {
        "scores": GroupDistance(_groups(3))(features[:, :3]),
        "latent": GroupDistance(_groups(4))(latent),
    }
    if labels:
        values = features[:, 3 : 3 + labels]
        squares = GroupDistance(apart).squares(values)
        best = of_label[logits.argmax(dim=1)]
        own = torch.stack([row[code] if code >= 0 else row.min() for row, code in
                           zip(squares, best, strict=True)])  # fmt: skip
        given["own"] = torch.sqrt(1 + own)
        given["relative"] = squares.amin(dim=1) - GroupDistance(together).squares(values)[:, 0]
    if labels > 1:
        given["doubt"] = doubt(logits)
    knots = {name: _knots(0.1, 1.0 + len(name), 30.0) for name in given}
    expected = sum(Rarity(knots[name])(one) for name, one in given.items())
    signals = NoveltySignals(layout, layers)
    torch.testing.assert_close(NoveltyScore(signals, knots)(features, latent, logits), expected)


def test_a_signal_counts_by_its_weight() -> None:
    signal = torch.linspace(0, 9, 20)
    light, heavy = (Rarity(_knots(1.0, 2.0)._replace(weight=w))(signal) for w in (0.5, 2.0))
    torch.testing.assert_close(heavy, 4 * light)
