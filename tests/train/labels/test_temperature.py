"""The temperature of scores that a model made elsewhere gives."""

from __future__ import annotations

import numpy as np
import pytest

from cellport.train.labels.calibrate import fit_temperature


@pytest.mark.parametrize("true", [0.2, 1.0, 5.0, 80.0])
def test_temperature_of_drawn_labels_is_found(true: float) -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, (4000, 5))
    prob = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    label = (prob.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    found = fit_temperature(odds * true, label, np.ones(4000))
    assert found == pytest.approx(true, rel=0.1)


def test_a_cell_of_weight_zero_counts_nothing() -> None:
    rng = np.random.default_rng(1)
    logits, label = rng.normal(0, 2, (300, 3)), rng.integers(0, 3, 300)
    weight = np.repeat([1.0, 0.0], 150)
    alone = fit_temperature(logits[:150], label[:150], weight[:150])
    assert fit_temperature(logits, label, weight) == pytest.approx(alone, rel=1e-3)


def test_a_temperature_has_bounds_whatever_scores_ask_for() -> None:
    """A hundredth for scores that are always right, a thousand for those that tell nothing."""
    rng = np.random.default_rng(2)
    label = rng.integers(0, 3, 2000)
    right = np.eye(3)[label] / 1000
    assert fit_temperature(right, label, np.ones(2000)) == pytest.approx(np.exp(-4.6), rel=0.01)
    scores = rng.normal(0, 1e6, (2000, 3))
    found = fit_temperature(scores, label, np.ones(2000))
    assert found == pytest.approx(np.exp(6.9), rel=0.01)
