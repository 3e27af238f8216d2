from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cellport.kernels.normalise import log_normalise_row, scale_row


def log_normalised(counts: Any, scale: float, cap: Any) -> NDArray[np.float32]:
    values = np.array(counts, np.float32)
    columns = np.arange(len(values), dtype=np.int32) % len(cap)
    log_normalise_row(values, columns, np.asarray(cap, np.float32), np.float32(scale))
    return values


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 10**6), max_size=40), st.floats(1e-3, 1e4), st.integers(0, 99))
def test_matches_numpy(counts: list[int], scale: float, seed: int) -> None:
    cap = np.random.default_rng(seed).uniform(1, 9, 40).astype(np.float32)
    scaled = np.array(counts, np.float64) * float(np.float32(scale))
    expected = np.minimum(np.log1p(scaled), cap[: len(counts)])
    np.testing.assert_allclose(log_normalised(counts, scale, cap), expected, rtol=3e-7)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 10**6), max_size=40), st.floats(1e-3, 1e4), st.integers(0, 99))
def test_scaled_counts_are_capped(counts: list[int], scale: float, seed: int) -> None:
    cap = np.random.default_rng(seed).lognormal(3, 5, 7).astype(np.float32)
    values, factor = np.array(counts, np.float32), np.float32(scale)
    columns = (np.arange(len(values), dtype=np.int32) * 3) % 7
    expected = np.minimum(values * factor, cap[columns])
    scale_row(values, columns, cap, factor)
    np.testing.assert_array_equal(values, expected)


def test_log1p_is_exact_to_one_unit_in_the_last_place() -> None:
    x = np.concatenate([np.geomspace(1e-30, 1e30, 200_000), np.arange(100_000)])
    x = x.astype(np.float32)
    got = log_normalised(x, 1.0, [np.inf])
    expected = np.log1p(x.astype(np.float64))
    error = np.abs(got - expected) / np.spacing(expected.astype(np.float32))
    assert error.max() < 1
