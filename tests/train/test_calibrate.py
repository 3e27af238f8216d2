from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from cellport.train.calibrate import (
    Calibration,
    balanced,
    calibrate,
    call_threshold,
    fit_sharpness,
    fit_temperature,
    hold_out,
    set_thresholds,
)
from cellport.train.unseen import Unseen


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


def _top(n: int = 20_000, odds_factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of best labels whose true log-odds are `odds_factor` times theirs."""
    rng = np.random.default_rng(0)
    prob = rng.uniform(0.51, 0.999, n)
    true = 1 / (1 + ((1 - prob) / prob) ** odds_factor)
    return prob, rng.random(n) < true


@pytest.mark.parametrize("factor", [0.3, 0.7])
def test_sharpness_is_recovered(factor: float) -> None:
    prob, right = _top(odds_factor=factor)
    assert fit_sharpness(prob, right, np.ones(len(prob))) == pytest.approx(factor, rel=0.1)


def test_sharpness_is_never_above_one_and_needs_cells() -> None:
    prob, right = _top(odds_factor=2.0)
    assert fit_sharpness(prob, right, np.ones(len(prob))) == pytest.approx(1, abs=1e-3)
    assert fit_sharpness(prob[:5], ~right[:5], np.ones(5)) == 1.0


def test_every_group_weighs_the_same() -> None:
    weight = balanced(np.array([0, 0, 0, 1]))
    assert weight[:3].sum() == pytest.approx(weight[3])


def test_unseen_batches_lower_confidence_half_way() -> None:
    logits, label = _calibrated()
    wrong = np.random.default_rng(2).integers(0, 4, len(label))
    truth = np.where(np.arange(len(label)) % 3 == 0, wrong, label)
    unseen = Unseen(logits * 3, truth, np.zeros(len(label), np.int64), np.zeros(len(label), bool))
    found = calibrate(logits, label, unseen)
    whole_way = fit_sharpness(
        (prob := Calibration(found.temperature).prob(logits * 3)).max(1),
        prob.argmax(1) == truth,
        np.ones(len(label)),
    )
    assert found.sharpness == pytest.approx(whole_way**0.5, rel=1e-3)
    assert found.sharpness < 0.8
    assert calibrate(logits, label, None).sharpness == pytest.approx(0.7)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_cover_new_cells_at_their_level(level: float) -> None:
    logits, label = _calibrated(20_000)
    prob = softmax(logits, axis=1)
    least = np.array(set_thresholds(prob[::2], label[::2], level))
    held = (prob[1::2] >= least)[np.arange(10_000), label[1::2]]
    assert held.mean() == pytest.approx(level, abs=0.01)
    for code in range(4):
        assert held[label[1::2] == code].mean() == pytest.approx(level, abs=0.025)


def test_a_rare_label_takes_the_threshold_of_all() -> None:
    logits, label = _calibrated()
    prob = softmax(logits, axis=1)
    few = np.r_[np.flatnonzero(label != 3), np.flatnonzero(label == 3)[:20]]
    least = set_thresholds(prob[few], label[few])
    own = np.sort(prob[few, label[few]])
    assert least[3] == own[int((len(few) + 1) * 0.1) - 1]
    assert least[0] != least[3]


def test_too_few_cells_for_the_level_let_every_label_in() -> None:
    assert set_thresholds(np.full((5, 2), 0.5), np.zeros(5, np.int64)) == (0.0, 0.0)


@pytest.mark.parametrize("level", [0.75, 0.82])
def test_calls_are_right_at_their_level(level: float) -> None:
    logits, label = _calibrated(20_000)
    prob, labels = softmax(logits, axis=1).astype(np.float32), ("a", "b", "c", "d")
    threshold = call_threshold(prob, label, labels, {}, level)
    right, best = prob.argmax(1) == label, prob.max(1)
    assert 0.5 < threshold < 0.8
    assert right[best >= threshold].mean() >= level
    assert right[best >= threshold - 0.011].mean() < level
    groups = {"a": "x", "b": "x", "c": "x"}
    assert call_threshold(prob, label, labels, groups, level) < threshold


def test_the_call_threshold_stays_in_its_bounds() -> None:
    logits, label = _calibrated()
    prob, labels = softmax(logits, axis=1).astype(np.float32), ("a", "b", "c", "d")
    assert call_threshold(prob, (label + 1) % 4, labels, {}) == 0.8
    assert call_threshold(prob, prob.argmax(1), labels, {}) == 0.5
