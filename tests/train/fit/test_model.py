from __future__ import annotations

import numpy as np
import pytest

from cellport.train.fit.model import default_batch_size, default_epochs, label_weights


def test_label_weights_favour_the_rare_and_average_to_one() -> None:
    label = np.repeat([-1, 0, 1], [50, 400, 4])
    weight = label_weights(label, 3)
    assert weight[1] / weight[0] == pytest.approx(100**0.75)
    assert weight[label[label >= 0]].mean() == pytest.approx(1)
    assert label_weights(np.full(5, -1), 0).shape == (0,)
    assert np.isfinite(weight).all()


@pytest.mark.parametrize(("cells", "epochs"), [(10, 400), (64 * 20, 50), (10_000_000, 15)])
def test_default_epochs_are_about_a_thousand_steps(cells: int, epochs: int) -> None:
    assert default_epochs(cells, 64) == epochs


@pytest.mark.parametrize(
    ("cells", "size"), [(0, 64), (90_000, 64), (100_000, 128), (500_000, 512), (10**8, 512)]
)
def test_minibatches_grow_with_the_reference(cells: int, size: int) -> None:
    assert default_batch_size(cells) == size
