from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.models.missing import expected_values
from cellport.models.normalise import PanelNormaliser


def _model(n_genes: int, n_factors: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    loading = rng.normal(size=(n_genes, n_factors)) * np.geomspace(2, 0.2, n_factors)
    return torch.tensor(loading).float(), torch.tensor(rng.uniform(0.1, 1, n_genes)).float()


def _by_the_book(
    values: torch.Tensor, measured: torch.Tensor, loading: torch.Tensor, noise: torch.Tensor
) -> np.ndarray:
    """Gaussian conditioning on the whole covariance, a cell at a time."""
    covariance = (loading @ loading.T + torch.diag(noise)).double().numpy()
    shared = (loading @ loading.T).double().numpy()
    expected = []
    for cell, has in zip(values.double().numpy(), measured.numpy() > 0, strict=True):
        known = np.linalg.solve(covariance[np.ix_(has, has)], cell[has])
        expected.append(shared[:, has] @ known)
    return np.array(expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 0.95), st.booleans())
def test_is_the_conditional_mean(seed: int, missing: float, shared: bool) -> None:
    loading, noise = _model(60, 8, seed)
    rng = np.random.default_rng(seed)
    drawn = rng.random((5, 60)) >= missing
    measured = torch.tensor(np.repeat(drawn[:1], 5, axis=0) if shared else drawn).float()
    values = torch.tensor(rng.normal(size=(5, 60))).float() * measured
    found = expected_values(values, measured, loading, noise)
    expected = _by_the_book(values, measured, loading, noise)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_nothing_measured_expects_the_mean() -> None:
    loading, noise = _model(20, 3, 0)
    nothing = torch.zeros(2, 20)
    assert not expected_values(nothing, nothing, loading, noise).any()
    one = torch.zeros(2, 20)
    one[0, 0] = 1.0
    found = expected_values(one, one, loading, noise)
    assert found.isfinite().all()
    assert not found[1].any()


def test_half_precision_does_not_reach_it() -> None:
    loading, noise = _model(60, 8, 0)
    values, measured = torch.randn(4, 60), torch.ones(4, 60)
    measured[:, ::3] = 0
    exact = expected_values(values * measured, measured, loading, noise)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(
            expected_values(values * measured, measured, loading, noise), exact
        )


def test_normaliser_puts_a_missing_gene_where_its_companions_say() -> None:
    # genes 0 and 1 go together, gene 2 goes alone
    loading, noise = torch.tensor([[1.0], [1.0], [0.0]]), torch.tensor([0.1, 0.1, 1.0])
    share, mean = torch.tensor([0.2, 0.2, 0.6]), torch.tensor([6.0, 6.0, 8.0])
    normalise = PanelNormaliser(share, mean, torch.ones(3), 1e4, loading, noise)
    counts = torch.tensor([[9.0, torch.nan, 3.0], [0.0, torch.nan, 3.0], [9.0, 1.0, torch.nan]])
    values, _ = normalise(counts)
    assert values[0, 1] == pytest.approx(float(values[0, 0]) / 1.1, rel=1e-4)
    assert values[1, 1] == pytest.approx(-6 / 1.1, rel=1e-4)
    assert values[2, 2] == 0
