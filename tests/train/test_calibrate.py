from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from cellport.train.calibrate import fit_temperature, hold_out


def _calibrated(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels that were drawn from their softmax."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (n, 4))
    prob = softmax(logits, axis=1)
    label = (prob.cumsum(1) < rng.random((n, 1))).sum(1)
    return logits, label.astype(np.int64)


@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_overconfidence_is_undone(factor: float) -> None:
    logits, label = _calibrated()
    assert fit_temperature(logits * factor, label) == pytest.approx(factor, rel=0.1)


def test_never_surer_than_the_model() -> None:
    logits, label = _calibrated()
    assert fit_temperature(logits * 0.3, label) == pytest.approx(1, abs=1e-3)


def test_random_labels_reach_the_bound_and_stay_in_it() -> None:
    rng = np.random.default_rng(0)
    found = fit_temperature(rng.normal(0, 100, (500, 3)), rng.integers(0, 3, 500))
    assert found == pytest.approx(10, rel=0.01)


def test_unlabelled_cells_say_nothing() -> None:
    logits, label = _calibrated()
    noise = np.random.default_rng(1).normal(0, 50, logits.shape)
    both = np.concatenate([logits, noise])
    codes = np.concatenate([label, np.full(len(label), -1)])
    assert fit_temperature(both, codes) == fit_temperature(logits, label)


def test_too_few_labelled_cells_leave_it_at_one() -> None:
    logits, label = _calibrated(100)
    label[19:] = -1
    assert fit_temperature(logits * 5, label) == 1
    assert fit_temperature(np.empty((0, 0)), np.empty(0, np.int64)) == 1


def test_hold_out_takes_the_share_of_every_label() -> None:
    label = np.repeat([-1, 0, 1, 2], [50, 200, 10, 9])
    rows = hold_out(label, 0.1, np.random.default_rng(0))
    assert dict(zip(*np.unique(label[rows], return_counts=True), strict=True)) == {
        -1: 5, 0: 20, 1: 1,
    }  # fmt: skip
    assert (np.diff(rows) > 0).all()


def test_hold_out_follows_its_generator() -> None:
    label = np.repeat([0, 1], 100)
    one, same, other = (hold_out(label, 0.1, np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_hold_out_spares_nobody_in_a_tiny_reference() -> None:
    rows = hold_out(np.repeat([0, 1], 9), 0.1, np.random.default_rng(0))
    assert rows.dtype == np.int64
    assert len(rows) == 0
