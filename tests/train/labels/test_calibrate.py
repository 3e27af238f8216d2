from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from cellport.train.labels.calibrate import (
    Calibration,
    LabelConfig,
    balanced,
    calibrate,
    call_threshold,
    fit_softness,
    held_out_share,
    hold_out,
    reached_level,
)
from cellport.train.labels.left_out import LeftOutAnswers


def _calibrated(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels that were drawn from their softmax."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (n, 4))
    prob = softmax(logits, axis=1)
    label = (prob.cumsum(1) < rng.random((n, 1))).sum(1)
    return logits, label.astype(np.int64)


def test_hold_out_takes_the_share_of_every_label() -> None:
    label = np.repeat([-1, 0, 1, 2], [50, 200, 10, 9])
    rows = hold_out(label, 0.1, np.random.default_rng(0))
    assert dict(zip(*np.unique(label[rows], return_counts=True), strict=True)) == {
        -1: 5, 0: 20, 1: 1,
    }  # fmt: skip
    assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize(
    ("cells", "held_out"), [(300, 30), (999, 100), (1000, 50), (10**6, 50_000)]
)
def test_a_large_reference_spares_a_smaller_share(cells: int, held_out: int) -> None:
    assert round(held_out_share(cells) * cells) == held_out


def test_hold_out_follows_its_generator() -> None:
    label = np.repeat([0, 1], 100)
    one, same, other = (hold_out(label, 0.1, np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_hold_out_spares_nobody_in_a_tiny_reference() -> None:
    rows = hold_out(np.repeat([0, 1], 9), 0.1, np.random.default_rng(0))
    assert rows.dtype == np.int64
    assert len(rows) == 0


def _top(softness: float, n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of best labels whose true log-odds x are x / (1 + softness x)."""
    rng = np.random.default_rng(0)
    odds = rng.uniform(0.1, 8, n)
    true = 1 / (1 + np.exp(-odds / (1 + softness * odds)))
    return 1 / (1 + np.exp(-odds)), rng.random(n) < true


@pytest.mark.parametrize("softness", [0.1, 0.5])
def test_softness_is_recovered(softness: float) -> None:
    prob, right = _top(softness)
    assert fit_softness(prob, right, np.ones(len(prob))) == pytest.approx(softness, rel=0.1)


def test_softness_never_sharpens_and_needs_cells() -> None:
    prob, right = _top(0.0)
    assert fit_softness(prob, np.ones(len(prob), bool), np.ones(len(prob))) < 1e-3
    assert fit_softness(prob, ~right, np.ones(len(prob))) == pytest.approx(1, abs=1e-3)
    assert fit_softness(prob[:19], right[:19], np.ones(19)) == 0.1


def test_answers_below_one_half_say_nothing_of_softness() -> None:
    prob, right = _top(0.3)
    more = np.r_[prob, np.full(5000, 0.4)], np.r_[right, np.zeros(5000, bool)]
    assert fit_softness(*more, np.ones(25_000)) == fit_softness(prob, right, np.ones(20_000))


@pytest.mark.parametrize(("flatter", "expected"), [(1.0, 1.0), (0.5, 0.5), (0.01, 0.3), (4.0, 1.0)])
def test_a_model_that_is_too_modest_is_sharpened(flatter: float, expected: float) -> None:
    logits, label = _calibrated()
    answers = LeftOutAnswers(
        logits.astype(np.float32) * np.float32(flatter),
        label,
        np.zeros(len(label), np.int64),
        np.zeros(len(label), bool),
    )
    assert calibrate(answers).temperature == pytest.approx(expected, abs=0.03)
    # cells of batches that it knows are easier than a query
    assert calibrate(None, answers).temperature == pytest.approx(expected**0.5, abs=0.03)
    few, enough = (
        LeftOutAnswers(
            *(part[:n] for part in (answers.logits, label, answers.group, answers.degraded))
        )
        for n in (99, 100)
    )
    assert expected == 1.0 or calibrate(enough).temperature < 1.0
    assert calibrate(None, few).temperature == calibrate(few).temperature == 1.0


def test_every_group_weighs_the_same() -> None:
    weight = balanced(np.array([0, 0, 0, 1]))
    assert weight[:3].sum() == pytest.approx(weight[3])


def test_left_out_batches_and_what_is_usual_weigh_the_same() -> None:
    logits, label = _calibrated()
    wrong = np.random.default_rng(2).integers(0, 4, len(label))
    truth = np.where(np.arange(len(label)) % 3 == 0, wrong, label)
    one, whole = np.zeros(len(label), np.int64), np.zeros(len(label), bool)
    left_out = LeftOutAnswers(logits * 3, truth, one, whole)
    prob = Calibration().prob(logits * 3)
    asked = fit_softness(prob.max(1), prob.argmax(1) == truth, np.ones(len(label)))
    assert asked > 0.3
    assert calibrate(left_out).softness == pytest.approx((asked + 0.1) / 2)
    assert calibrate(None).softness == 0.1


def test_sets_promise_what_the_best_label_reaches_by_itself() -> None:
    prob = np.eye(2)[np.arange(1000) % 2]
    label = np.arange(1000) % 2
    assert reached_level(prob, label) == 1.0
    label[:35] = 1 - label[:35]
    assert reached_level(prob, label) == 0.96
    label[:200] = 1 - label[:200]
    assert reached_level(prob, label) == 0.9


@pytest.mark.parametrize("level", [0.75, 0.82])
def test_calls_are_right_at_their_level(level: float) -> None:
    logits, label = _calibrated(20_000)
    prob, labels = softmax(logits, axis=1).astype(np.float32), ("a", "b", "c", "d")
    threshold = call_threshold(prob, label, labels, {}, LabelConfig(call_level=level))
    right, best = prob.argmax(1) == label, prob.max(1)
    assert 0.5 < threshold < 0.8
    assert right[best >= threshold].mean() >= level
    assert right[best >= threshold - 0.011].mean() < level
    groups = {"a": "x", "b": "x", "c": "x"}
    assert call_threshold(prob, label, labels, groups, LabelConfig(call_level=level)) < threshold


def test_the_call_threshold_stays_in_its_bounds() -> None:
    logits, label = _calibrated()
    prob, labels = softmax(logits, axis=1).astype(np.float32), ("a", "b", "c", "d")
    assert call_threshold(prob, (label + 1) % 4, labels, {}) == 0.8
    assert call_threshold(prob, prob.argmax(1), labels, {}) == 0.5


def test_labels_are_held_to_what_the_benchmarks_have_shown() -> None:
    """Whoever changes one of these has to measure again; `LabelConfig` says what was measured."""
    assert LabelConfig() == LabelConfig(
        set_level=0.9,
        set_mass=0.85,
        information_power=2.0,
        least_information=0.75,
        call_level=0.9,
        call_bounds=(0.5, 0.8),
        usual_softness=0.1,
        most_softness=1.0,
        fewest_to_sharpen=100,
        least_temperature=0.3,
    )
