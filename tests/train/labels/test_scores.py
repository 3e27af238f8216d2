from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from cellport.train.labels.scores import expected_calibration_error, label_scores, reliability


def test_scores_of_a_small_table() -> None:
    truth = np.array(["a", "a", "b", "c"], object)
    predicted = np.array(["a", "b", "b", "d"], object)
    scores = label_scores(truth, predicted, np.ones(4))
    assert scores["accuracy"] == 0.5
    # F1 of a and of b is 2/3, of c 0; d is not in the truth
    assert scores["macro_f1"] == pytest.approx(4 / 9)
    assert scores["ece"] == pytest.approx(0.5)


def test_calibration_error_is_the_gap_weighted_by_cells() -> None:
    prob = np.array([0.95] * 10 + [0.55] * 10)
    right = np.array([True] * 10 + [True] * 3 + [False] * 7)
    assert expected_calibration_error(prob, right) == pytest.approx((0.05 + 0.25) / 2)


def test_calibrated_probabilities_have_no_error() -> None:
    rng = np.random.default_rng(0)
    prob = rng.random(200_000)
    assert expected_calibration_error(prob, rng.random(200_000) < prob) < 0.01


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1))
def test_scores_are_those_of_sklearn(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = (np.array(names, object) for names in zip(*pairs, strict=True))
    scores = label_scores(truth, predicted, np.full(len(pairs), 0.9))
    assert scores["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    each = [f1_score(truth == one, predicted == one, zero_division=0) for one in sorted({*truth})]
    assert scores["macro_f1"] == pytest.approx(np.mean(each))
    assert scores["ece"] == pytest.approx(abs(0.9 - scores["accuracy"]))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans())), st.integers(1, 12))
def test_every_cell_is_in_the_bin_of_its_confidence(
    cells: list[tuple[float, bool]], bins: int
) -> None:
    prob, right = (
        np.array([one for one, _ in cells], float),
        np.array([at for _, at in cells], bool),
    )
    table = reliability(prob, right, bins)
    assert [(one.low, one.high) for one in table] == [
        (b / bins, (b + 1) / bins) for b in range(bins)
    ]
    assert sum(one.cells for one in table) == len(cells)
    for one in table:
        last = one.high == 1
        inside = (np.floor(prob * bins) / bins == one.low) | (last & (prob == 1))
        assert one.cells == inside.sum()
        assert one.confidence == pytest.approx(prob[inside].mean() if inside.any() else 0)
        assert one.accuracy == pytest.approx(right[inside].mean() if inside.any() else 0)


def test_calibration_is_judged_in_fifteen_bins() -> None:
    prob, right = np.array([0.51, 0.55, 0.65]), np.array([True, False, True])
    by_bin = sum(
        abs(one.accuracy - one.confidence) * one.cells / 3 for one in reliability(prob, right, 15)
    )
    assert expected_calibration_error(prob, right) == pytest.approx(by_bin)
    assert by_bin != pytest.approx(
        sum(abs(one.accuracy - one.confidence) * one.cells / 3
            for one in reliability(prob, right, 16))
    )  # fmt: skip


def test_a_table_has_ten_bins() -> None:
    assert [one.high for one in reliability(np.ones(1), np.ones(1, bool))][-1] == 1
    assert len(reliability(np.ones(1), np.ones(1, bool))) == 10
