from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from cellport.runtime.atlas.label_sets import within_mass


@pytest.mark.parametrize("sharper", [1.0, 0.3])
@pytest.mark.parametrize("mass", [0.5, 0.85, 0.95])
def test_sets_of_calibrated_cells_hold_their_mass_however_sure_they_are(
    mass: float, sharper: float
) -> None:
    rng = np.random.default_rng(3)
    prob = softmax(sharper * rng.normal(0, 2, (20_000, 6)), axis=1)
    label = (prob.cumsum(1) < rng.random((len(prob), 1))).sum(1)
    within = within_mass(prob, mass)
    held = within[np.arange(len(label)), label]
    assert held.mean() >= mass - 0.01
    for sure in np.array_split(np.argsort(prob.max(axis=1)), 5):
        assert held[sure].mean() >= mass - 0.02


@given(st.integers(0, 2**31), st.floats(0.01, 0.99))
def test_a_set_is_the_fewest_labels_of_its_mass(seed: int, mass: float) -> None:
    prob = np.random.default_rng(seed).dirichlet(np.full(5, 0.5), 20)
    within = within_mass(prob, mass)
    for inside, row in zip(within, prob, strict=True):
        assert inside[row.argmax()]
        assert row[inside].min() >= row[~inside].max(initial=0)
        assert row[inside].sum() >= mass - 1e-9
        assert row[inside].sum() - row[inside].min() < mass


@given(st.permutations([0.5, 0.25, 0.125, 0.125]), st.sampled_from([0.5, 0.75, 0.875, 1.0]))
def test_what_makes_up_the_mass_exactly_is_enough(row: list[float], mass: float) -> None:
    prob = np.array([row], np.float32)
    size = {0.5: 1, 0.75: 2, 0.875: 3, 1.0: 4}[mass]
    within = within_mass(prob, mass)[0]
    assert within.sum() == size
    # of equals the first
    assert set(np.flatnonzero(within)) == set(np.argsort(-prob[0], kind="stable")[:size])
