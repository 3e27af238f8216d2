"""Softened probabilities: still probabilities, in the same order."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellport.models.calibrated import calibrated_probabilities

LOGITS = arrays(np.float32, (4, 5), elements=st.floats(-60, 60, width=32))


@given(LOGITS, st.floats(0, 2))
@settings(deadline=None)
def test_rows_sum_to_one_and_keep_their_order(logits: np.ndarray, softness: float) -> None:
    prob = calibrated_probabilities(torch.from_numpy(logits), softness).numpy()
    assert np.isfinite(prob).all()
    np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=1e-5)
    ordered = np.take_along_axis(prob, np.argsort(logits, axis=1, kind="stable"), axis=1)
    assert (np.diff(ordered, axis=1) >= -1e-6).all()


@given(LOGITS)
@settings(deadline=None)
def test_no_softness_leaves_probabilities_as_they_are(logits: np.ndarray) -> None:
    tensor = torch.from_numpy(logits)
    found = calibrated_probabilities(tensor, 0.0)
    torch.testing.assert_close(found, torch.softmax(tensor, dim=1), atol=1e-5, rtol=0)


def test_log_odds_above_one_half_are_softened_and_others_left_alone() -> None:
    prob = torch.tensor([[0.8, 0.15, 0.05], [0.4, 0.35, 0.25]])
    found = calibrated_probabilities(prob.log(), 0.5)
    odds = np.log(4)
    best = float(1 / (1 + np.exp(-odds / (1 + odds / 2))))
    expected = torch.tensor([[best, (1 - best) * 0.75, (1 - best) * 0.25], [0.4, 0.35, 0.25]])
    torch.testing.assert_close(found, expected)


def test_log_odds_have_a_bound() -> None:
    found = calibrated_probabilities(torch.tensor([[40.0, 0.0]]), 0.5)
    assert 0.87 < float(found[0, 0]) < 1 / (1 + np.exp(-2))


def test_a_single_label_stays_certain() -> None:
    found = calibrated_probabilities(torch.zeros(2, 1), 0.0)
    torch.testing.assert_close(found, torch.ones(2, 1))


@given(
    st.floats(0.01, 59),
    st.lists(st.floats(-9, 9), min_size=1, max_size=5),
    st.floats(0, 2),
)
@settings(deadline=None)
def test_a_lead_above_one_half_is_softened_as_said(
    lead: float, others: list[float], softness: float
) -> None:
    rest = np.logaddexp.reduce(others)
    logits = torch.tensor([[rest + lead, *others]], dtype=torch.float64)
    found = calibrated_probabilities(logits, softness).numpy()[0]
    best = 1 / (1 + np.exp(-lead / (1 + softness * lead)))
    expected = [best, *((1 - best) * np.exp(np.array(others) - rest))]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


def test_leads_beyond_what_float32_tells_apart_are_alike() -> None:
    found = calibrated_probabilities(torch.tensor([[60.0, 0.0], [61.0, 0.0], [1e4, 0.0]]), 0.1)
    np.testing.assert_allclose(found[:, 0], 1 / (1 + np.exp(-60 / 7)), rtol=1e-6)
