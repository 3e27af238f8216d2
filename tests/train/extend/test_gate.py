"""What new types take from old ones, in numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from cellport.train.extend.gate import (
    MOST_MOVED,
    Gate,
    careful_offset,
    fit_calibration,
    joined,
    softened,
)


def _gate(rng: np.random.Generator, n_old: int = 4, n_new: int = 2, width: int = 6) -> Gate:
    return Gate(
        rng.normal(size=(width, n_old + n_new)),
        rng.normal(size=n_old + n_new),
        n_old,
        rng.uniform(0.1, 1, n_new),
        rng.normal(size=n_new),
        0.1,
        rng.normal(size=(width, n_old)),
        rng.normal(size=n_old),
        np.zeros(n_old),
    )


def _cells(rng: np.random.Generator, n: int = 30, width: int = 6, n_old: int = 4):  # type: ignore[no-untyped-def]
    return rng.normal(size=(n, width)), rng.dirichlet(np.ones(n_old), n)


@given(st.integers(0, 1_000))
def test_old_labels_share_what_is_left_as_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    (at, old), gate = _cells(rng), _gate(rng)
    prob = gate.prob(at, old)
    assert prob.sum(axis=1) == pytest.approx(1)
    left = prob[:, :4].sum(axis=1, keepdims=True)
    assert prob[:, :4] == pytest.approx(old * left)
    # a new label wins only where it is more probable than what the best old one has left
    wins = prob.argmax(axis=1) >= 4
    assert (prob[:, 4:].max(axis=1)[wins] >= (old.max(axis=1) * left[:, 0])[wins]).all()
    assert (prob[~wins].argmax(axis=1) == old[~wins].argmax(axis=1)).all()


@given(st.integers(0, 1_000))
def test_what_is_never_probable_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    (at, old), gate = _cells(rng), _gate(rng)
    never = replace(gate, offset=np.full(2, -1e4))
    assert never.prob(at, old)[:, :4] == pytest.approx(old)


@given(st.integers(0, 1_000), st.floats(0, MOST_MOVED))
def test_new_cells_of_old_types_move_their_odds_no_farther_than_is_said(
    seed: int, most: float
) -> None:
    rng = np.random.default_rng(seed)
    at, old = _cells(rng)
    limits = np.array([most, 0.0, most / 2, 0.0])
    gate = replace(_gate(rng), most_moved=limits, scale=np.zeros(0), offset=np.zeros(0))
    prob = gate.prob(at, old)
    moved = np.log(prob[:, :, None] / prob[:, None]) - np.log(old[:, :, None] / old[:, None])
    assert (np.abs(moved) <= limits[:, None] + limits + 1e-6).all()


@given(st.lists(st.floats(-20, 20), min_size=3, max_size=3), st.floats(0, 1))
def test_softening_keeps_order_and_never_makes_surer(odds: list[float], softness: float) -> None:
    before = np.sort(np.array(odds))
    after = softened(before, softness)
    assert (np.diff(after) >= 0).all()
    assert (after <= before + 1e-12).all()
    assert (after[before <= 0] == before[before <= 0]).all()


def test_probabilities_of_two_new_types() -> None:
    found = joined(np.array([[np.log(2.0), np.log(1.0)]]), np.array([[0.75, 0.25]]))
    assert found[0] == pytest.approx([0.75 / 4, 0.25 / 4, 2 / 4, 1 / 4])
    # huge log-odds do not overflow
    assert joined(np.array([[1e4, -1e4]]), np.array([[1.0]]))[0] == pytest.approx([0, 1, 0])


def test_calibration_finds_the_odds_that_cells_were_drawn_by() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20_000)
    is_type = rng.random(20_000) < expit(true)
    scale, offset = fit_calibration(5 * true + 3, is_type)
    assert scale == pytest.approx(0.2, abs=0.02)
    assert offset == pytest.approx(-0.6, abs=0.1)


def test_few_cells_that_are_told_perfectly_do_not_make_certainty() -> None:
    odds = np.concatenate([np.full(10, 40.0), np.full(1_000, -40.0)])
    scale, offset = fit_calibration(odds, odds > 0)
    assert 0.85 < expit(scale * 40 + offset) < 0.97


def test_an_offset_is_lowered_until_hardly_a_right_label_is_lost() -> None:
    rng = np.random.default_rng(0)
    odds, best = rng.normal(0, 3, 5_000), rng.uniform(0.5, 1, 5_000)
    offset = careful_offset(odds, 0.7, 4.0, best)
    assert offset < 4
    assert 0 < (0.7 * odds + offset > np.log(best)).mean() <= 0.002
    assert careful_offset(odds, 0.7, -50.0, best) == -50.0


def test_without_drawn_cells_that_are_right_an_offset_stays() -> None:
    nothing = np.empty(0)
    assert careful_offset(nothing, 0.5, -1.25, nothing) == -1.25
