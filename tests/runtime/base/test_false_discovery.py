"""Adjusted p-values are those of Benjamini and Hochberg."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cellport.runtime.base.false_discovery import adjusted


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=30))
def test_adjusted_as_scipy(p: list[float]) -> None:
    found, known = adjusted(np.array(p, float)), np.isfinite(p)
    assert np.isnan(found[~known]).all()
    if known.any():
        expected = stats.false_discovery_control(np.array(p, float)[known])
        np.testing.assert_allclose(found[known], expected)
