from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from cellport.train.features import factors as module
from cellport.train.features.factors import fit_factors
from cellport.train.features.normaliser import fit_normaliser


def _counts(n_cells: int, seed: int = 0) -> sp.csr_matrix:
    """Two programmes, of ten genes each, and ten genes that follow none."""
    rng = np.random.default_rng(seed)
    programme = rng.normal(0, 1.0, (n_cells, 2))
    rate = np.exp(np.hstack([np.repeat(programme, 10, axis=1), np.zeros((n_cells, 10))]) + 1.5)
    return sp.csr_matrix(rng.poisson(rate).astype(np.float32))


def _standardised(counts: sp.csr_matrix) -> np.ndarray:
    normaliser = fit_normaliser(counts)
    values, _ = normaliser(torch.from_numpy(counts.toarray()))
    return (values / normaliser.sd).numpy().astype(np.float64)


def test_factors_are_the_leading_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_FACTORS", 2)
    counts = _counts(400)
    values, normaliser = _standardised(counts), fit_normaliser(counts)
    sd = normaliser.sd.numpy()
    loading, noise = normaliser.loading.numpy() / sd[:, None], normaliser.noise.numpy() / sd**2
    _, size, axes = np.linalg.svd(values / np.sqrt(len(values)), full_matrices=False)
    left = (size[2:] ** 2).sum() / 28
    expected = (axes[:2].T * (size[:2] ** 2 - left)) @ axes[:2]
    np.testing.assert_allclose(loading @ loading.T, expected, atol=1e-3)
    both = (loading**2).sum(axis=1) + noise
    np.testing.assert_allclose(both, np.maximum((values**2).mean(axis=0), both.min()), atol=1e-3)


def test_a_missing_gene_is_foretold_by_its_programme() -> None:
    counts = _counts(600)
    normaliser = fit_normaliser(counts[:400])
    queries = torch.from_numpy(counts[400:].toarray())
    truth, _ = normaliser(queries)
    gaps = queries.clone()
    gaps[:, [0, 10, 20]] = torch.nan
    found, _ = normaliser(gaps)
    together = [np.corrcoef(found[:, gene], truth[:, gene])[0, 1] for gene in (0, 10)]
    assert min(together) > 0.5
    # worth more than the mean: the squared error is well below the variance
    error = (found - truth).square().mean(dim=0)[[0, 10]] / truth.var(dim=0)[[0, 10]]
    assert float(error.max()) < 0.75


def test_the_same_each_time_and_from_a_part_of_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = _counts(500)
    mean, sd = np.full(30, 5.0), np.ones(30)
    first, again = (fit_factors(counts, mean, sd, 1e4) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(module, "_MOST_CELLS", 100)
    chosen = np.linspace(0, 499, 100).astype(int)
    for one, other in zip(
        fit_factors(counts, mean, sd, 1e4), fit_factors(counts[chosen], mean, sd, 1e4), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(2, 50), (20, 1), (20, 20), (40, 35)])
def test_tiny_and_silent_references(shape: tuple[int, int]) -> None:
    for counts in (np.zeros(shape), np.ones(shape)):
        loading, noise = fit_factors(
            sp.csr_matrix(counts.astype(np.float32)), np.zeros(shape[1]), np.ones(shape[1]), 1e4
        )
        assert loading.shape[0] == len(noise) == shape[1]
        assert np.isfinite(loading).all()
        assert (noise > 0).all()
