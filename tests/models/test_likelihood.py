from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from cellport.models.likelihood import (
    negative_binomial_cell_log_prob,
    negative_binomial_log_prob,
    zero_inflated_log_prob,
)

COUNTS = np.array([0, 0, 1, 2, 7, 40, 500, 3000], float)


def _grid(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = np.stack([rng.permutation(COUNTS) for _ in range(6)])
    mean = np.exp(rng.uniform(-3, 5, counts.shape))
    theta = np.exp(rng.uniform(-2, 3, counts.shape[1]))
    return counts, mean, theta


def _scipy(counts: np.ndarray, mean: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return nbinom.logpmf(counts, theta, theta / (theta + mean))


def test_negative_binomial_is_that_of_scipy() -> None:
    counts, mean, theta = _grid()
    found = negative_binomial_log_prob(*map(torch.from_numpy, (counts, mean, theta)))
    np.testing.assert_allclose(found.numpy(), _scipy(counts, mean, theta), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("logit", [-4.0, 0.0, 3.0])
def test_zero_inflated_is_the_mixture(logit: float) -> None:
    counts, mean, theta = _grid(1)
    dropped = 1 / (1 + np.exp(-logit))
    of_counts = np.log1p(-dropped) + _scipy(counts, mean, theta)
    expected = np.where(counts == 0, np.logaddexp(np.log(dropped), of_counts), of_counts)
    logits = torch.full(counts.shape, logit, dtype=torch.float64)
    found = zero_inflated_log_prob(*map(torch.from_numpy, (counts, mean, theta)), logits)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_zero_inflation_that_never_happens_changes_nothing() -> None:
    counts, mean, theta = map(torch.from_numpy, _grid(2))
    found = zero_inflated_log_prob(counts, mean, theta, torch.full_like(counts, -60.0))
    torch.testing.assert_close(found, negative_binomial_log_prob(counts, mean, theta))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), genes=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_cell_log_prob_is_the_sum_over_genes_with_its_gradients(
    seed: int, n: int, genes: int
) -> None:
    rng = np.random.default_rng(seed)
    counts = torch.from_numpy(rng.poisson(rng.gamma(0.5, 4, (n, genes))).astype(float))
    gradients, values = [], []
    for log_prob in (
        lambda c, m, t: negative_binomial_log_prob(c, m, t).sum(1),
        negative_binomial_cell_log_prob,
    ):
        local = np.random.default_rng(seed)
        mean = torch.from_numpy(np.exp(local.uniform(-2, 4, (n, genes)))).requires_grad_()
        theta = torch.from_numpy(np.exp(local.uniform(-2, 3, genes))).requires_grad_()
        value = log_prob(counts, mean, theta)
        weight = torch.from_numpy(local.normal(size=n))
        (value * weight).sum().backward()
        values.append(value.detach())
        gradients.append((mean.grad, theta.grad))
    torch.testing.assert_close(values[0], values[1], rtol=1e-6, atol=1e-6)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_cell_log_prob_of_an_empty_cell() -> None:
    mean, theta = torch.full((1, 3), 0.5), torch.ones(3)
    found = negative_binomial_cell_log_prob(torch.zeros(1, 3), mean, theta)
    torch.testing.assert_close(found, torch.tensor([3 * np.log(1 / 1.5)], dtype=torch.float32))
