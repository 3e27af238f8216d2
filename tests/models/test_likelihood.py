from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from cellport.models.likelihood import (
    negative_binomial_log_prob,
    softmax_negative_binomial,
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
def test_softmax_negative_binomial_is_the_sum_over_genes_with_its_gradients(
    seed: int, n: int, genes: int
) -> None:
    rng = np.random.default_rng(seed)
    counts = torch.from_numpy(rng.poisson(rng.gamma(0.5, 4, (n, genes))).astype(float))

    def plain(logits: torch.Tensor, log_theta: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        mean = torch.softmax(logits, 1) * counts.sum(1, keepdim=True)
        return negative_binomial_log_prob(counts, mean, log_theta.exp()).sum(1)

    gradients, values = [], []
    for log_prob in (plain, softmax_negative_binomial):
        local = np.random.default_rng(seed)
        logits = torch.from_numpy(local.normal(0, 2, (n, genes))).requires_grad_()
        log_theta = torch.from_numpy(local.uniform(-2, 3, genes)).requires_grad_()
        value = log_prob(logits, log_theta, counts)
        weight = torch.from_numpy(local.normal(size=n))
        (value * weight).sum().backward()
        values.append(value.detach())
        gradients.append((logits.grad, log_theta.grad))
    torch.testing.assert_close(values[0], values[1], rtol=1e-6, atol=1e-6)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_an_empty_cell_is_certain() -> None:
    found = softmax_negative_binomial(torch.randn(1, 3), torch.zeros(3), torch.zeros(1, 3))
    assert found.item() == 0


def test_half_precision_ends_before_the_counts() -> None:
    counts = torch.tensor([[3000.0, 1.0, 0.0]])
    logits = torch.randn(1, 3).bfloat16()
    found = softmax_negative_binomial(logits, torch.zeros(3), counts)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found, softmax_negative_binomial(logits.float(), torch.zeros(3), counts)
    )
