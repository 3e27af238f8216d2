from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.train.fit.model import default_batch_size, default_epochs, label_weights


def test_label_weights_favour_the_rare_and_average_to_one() -> None:
    label = np.repeat([-1, 0, 1], [50, 400, 4])
    weight = label_weights(label, 3)
    assert weight[1] / weight[0] == pytest.approx(100**0.75)
    assert weight[label[label >= 0]].mean() == pytest.approx(1)
    assert label_weights(np.full(5, -1), 0).shape == (0,)
    assert np.isfinite(weight).all()


@given(st.lists(st.integers(-1, 5), min_size=1, max_size=200))
def test_cells_of_a_coarser_label_weigh_as_those_below_it(codes: list[int]) -> None:
    """Four labels; the fifth is above the first two, the sixth above the last three."""
    members = np.array([[1, 1, 0, 0], [0, 1, 1, 1]], bool)
    label = np.array(codes)
    weight = label_weights(label, 4, members)
    assert np.isfinite(weight).all()
    for above, of in zip(weight[4:], members, strict=True):
        assert weight[:4][of].min() * 0.999 <= above <= weight[:4][of].max() * 1.001
    if (label >= 0).any():
        assert weight[label[label >= 0]].mean() == pytest.approx(1, rel=1e-4)
    if label.max() < 4:
        np.testing.assert_allclose(weight[:4], label_weights(label, 4), rtol=1e-5)


@pytest.mark.parametrize(
    ("cells", "epochs"),
    [(10, 400), (64 * 20, 50), (90_000, 15), (1_000_000, 15), (5_000_000, 3), (10**8, 1)],
)
def test_default_epochs_are_about_a_thousand_steps_and_fifteen_million_cells_at_most(
    cells: int, epochs: int
) -> None:
    assert default_epochs(cells, 64) == epochs


@pytest.mark.parametrize(
    ("cells", "size"), [(0, 64), (90_000, 64), (100_000, 128), (500_000, 512), (10**8, 512)]
)
def test_minibatches_grow_with_the_reference(cells: int, size: int) -> None:
    assert default_batch_size(cells) == size
