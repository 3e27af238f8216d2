from __future__ import annotations

import numpy as np
import pytest

from cellport.train.labels.scores import expected_calibration_error, label_scores


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
