"""Moderated tests are limma's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from cellport.runtime.compare.moderated import moderated_effects, squeezed_variance

LIMMA = [
    0.9918934, 0.8742044, 0.1443139, 0.04077138, 0.4163728, 0.7253752, 0.0007463933, 0.9249728,
    0.587479, 0.8716493,
]  # fmt: skip
FREEDOM = 11.60135
DESIGN = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])


def rows(n: int) -> np.ndarray:
    i, j = np.arange(1, n + 1)[:, None], np.arange(1, 9)[None]
    return np.sin(i * j * 1.7) * np.sqrt(i) / 2 + (j > 4) * (i == 3)


def test_p_values_are_those_of_limma() -> None:
    """limma 3.54.1: ``eBayes(lmFit(y, design))$p.value[, 2]``."""
    found = moderated_effects(rows(10), DESIGN, 1)
    np.testing.assert_allclose(found.p, LIMMA, rtol=1e-6)
    assert found.freedom[0] == pytest.approx(FREEDOM, rel=1e-6)


def test_a_single_row_is_a_t_test() -> None:
    values = rows(1)
    found = moderated_effects(values, DESIGN, 1)
    plain = stats.ttest_ind(values[0, 4:], values[0, :4])
    assert found.p[0] == pytest.approx(plain.pvalue)
    low, high = found.interval()
    expected = plain.confidence_interval()
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))


def test_rows_that_agree_share_their_variance_within_bounds() -> None:
    moderated, prior = squeezed_variance(np.array([1.0, 1.01, 0.99, 1.0]), 6)
    assert prior == 4.0
    assert np.ptp(moderated) < 0.02
    assert squeezed_variance(np.array([0.0, 2.0]), 3)[1] == 0.0


@given(st.integers(0, 1000), st.integers(2, 40), st.integers(1, 12), st.floats(0, 300))
def test_variances_move_as_smyth_says(seed: int, n: int, freedom: int, spread: float) -> None:
    """The prior's degrees of freedom by bisection; its scale so that the logarithms agree."""
    rng = np.random.default_rng(seed)
    variance = (
        rng.chisquare(freedom, n)
        / freedom
        * np.exp(np.clip(spread * rng.normal(size=n) ** 3, -300, 300))
    )
    variance[rng.random(n) < 0.1] = 0.0
    found, prior = squeezed_variance(variance, freedom)
    log = np.log(variance[variance > 1e-12 * max(np.median(variance), 1e-300)])
    if len(log) < 2:
        assert prior == 0.0
        np.testing.assert_array_equal(found, variance)
        return
    excess = log.var(ddof=1) - polygamma(1, freedom / 2)
    expected = 2 * brentq(lambda x: polygamma(1, x) - excess, 1e-4, 1e6) if excess > 1e-5 else n
    assert prior == pytest.approx(min(expected, len(log)), rel=1e-6)
    shift = [digamma(one / 2) - np.log(one / 2) for one in (freedom, prior)]
    common = np.exp(log.mean() - shift[0] + shift[1])
    mean = np.average([np.full(n, common), variance], axis=0, weights=[prior, freedom])
    np.testing.assert_allclose(found, mean, rtol=1e-6)
