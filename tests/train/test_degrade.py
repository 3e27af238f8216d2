from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cellport.train.degrade import Degradation, degrade, thin

NONE = Degradation(thin_share=0, mask_share=0, gene_noise=0)
THIN = Degradation(thin_share=1, mask_share=0, gene_noise=0)


def _counts(seed: int = 0, cells: int = 20, genes: int = 30) -> sp.csr_matrix:
    return sp.csr_matrix(np.random.default_rng(seed).poisson(4, (cells, genes)).astype(np.float32))


def _degraded(
    counts: sp.csr_matrix, rng: np.random.Generator, how: Degradation
) -> NDArray[np.float32]:
    """As a matrix, with NaN where a gene is declared missing."""
    seen = degrade(counts, rng, how)
    assert seen.counts.shape == counts.shape
    return np.where(seen.measured, seen.counts.toarray(), np.nan).astype(np.float32)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_same_generator_same_cells(seed: int) -> None:
    once, again = (
        _degraded(_counts(), np.random.default_rng(seed), Degradation()) for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.float32


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_never_negative_and_never_from_nothing(seed: int) -> None:
    counts = _counts(seed)
    found = _degraded(counts, np.random.default_rng(seed), Degradation())
    assert (found[~np.isnan(found)] >= 0).all()
    assert not found[(counts.toarray() == 0) & ~np.isnan(found)].any()


def test_no_strength_changes_nothing() -> None:
    counts = _counts()
    found = _degraded(counts, np.random.default_rng(0), NONE)
    np.testing.assert_array_equal(found, counts.toarray())


def test_counts_of_the_reference_are_left_alone() -> None:
    counts, before = _counts(), _counts()
    _degraded(counts, np.random.default_rng(0), Degradation())
    np.testing.assert_array_equal(counts.toarray(), before.toarray())


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_thinning_draws_whole_counts(seed: int) -> None:
    counts = _counts(seed)
    found = _degraded(counts, np.random.default_rng(seed), THIN)
    np.testing.assert_array_equal(found, np.rint(found))
    assert (found <= counts.toarray()).all()


def test_thinning_keeps_what_it_says() -> None:
    counts = sp.csr_matrix(np.full((2000, 20), 50, np.float32))
    found = _degraded(counts, np.random.default_rng(0), Degradation(1, 200, 0, 0, 0, 0))
    kept = found.sum(1) / 1000
    assert 0.15 < kept.min() < 0.25
    assert kept.max() > 0.95
    # log-uniform on [0.2, 1]
    np.testing.assert_allclose(kept.mean(), 0.8 / np.log(5), rtol=0.03)
    some = _degraded(counts, np.random.default_rng(0), Degradation(0.3, 200, 0, 0, 0, 0))
    np.testing.assert_allclose((some.sum(1) < 1000).mean(), 0.3, atol=0.04)


@pytest.mark.parametrize("depth", [100, 1_000_000])
def test_thinning_goes_as_low_however_deep_the_reference(depth: int) -> None:
    counts = sp.csr_matrix(np.full((1000, 10), depth / 10, np.float32))
    found = _degraded(counts, np.random.default_rng(0), THIN).sum(1)
    assert 15 < found.min() < 45
    assert found.max() > 0.9 * depth


def test_cells_shallower_than_the_least_are_not_thinned() -> None:
    counts = sp.csr_matrix(np.array([[2, 3, 0], [0, 0, 0]], np.float32))
    np.testing.assert_array_equal(
        _degraded(counts, np.random.default_rng(0), THIN), counts.toarray()
    )


def test_declared_masks_are_nan_for_every_cell_and_silent_ones_zero() -> None:
    counts = sp.csr_matrix(np.full((5, 400), 3, np.float32))
    for declared in (0.0, 1.0):
        how = Degradation(0, 1, 1, 0.8, declared, 0)
        found = _degraded(counts, np.random.default_rng(4), how)
        masked = np.isnan(found) if declared else found == 0
        assert 0 < masked.mean() < 0.85
        assert (masked == masked[0]).all()
        assert (found[~masked] == 3).all()


def test_noise_is_one_factor_a_gene() -> None:
    counts = sp.csr_matrix(np.random.default_rng(0).integers(1, 9, (6, 40)).astype(np.float32))
    found = _degraded(counts, np.random.default_rng(0), Degradation(0, 1, 0, 0, 0, 0.3))
    factor = found / counts.toarray()
    np.testing.assert_allclose(factor, np.tile(factor[0], (6, 1)), rtol=1e-5)
    assert factor[0].std() > 0


def test_a_thinned_cell_keeps_its_share_and_others_all() -> None:
    counts = sp.csr_matrix(np.full((3, 400), 20, np.float32))
    values = thin(counts, np.array([1.0, 0.25, 0.0]), np.random.default_rng(0)).reshape(3, 400)
    assert (values[0] == 20).all()
    assert values[1].mean() == pytest.approx(5, abs=0.4)
    assert not values[2].any()
