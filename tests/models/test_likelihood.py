from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from cellport.models.likelihood import (
    SparseCounts,
    negative_binomial_log_prob,
    softmax_negative_binomial,
    sparse_counts,
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


def _sparse(counts: torch.Tensor) -> SparseCounts:
    csr = sp.csr_matrix(counts.numpy())
    indptr, indices = (torch.from_numpy(a.astype(np.int64)) for a in (csr.indptr, csr.indices))
    return sparse_counts(indptr, indices, torch.from_numpy(csr.data))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), genes=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_softmax_negative_binomial_is_the_sum_over_genes_with_its_gradients(
    seed: int, n: int, genes: int
) -> None:
    rng = np.random.default_rng(seed)
    # small counts are looked up, others and halves are not
    counts = torch.from_numpy(rng.poisson(rng.gamma(0.5, 20, (n, genes))).astype(float))
    counts[0, 0] += 0.5 * rng.integers(0, 2)

    def plain(logits: torch.Tensor, log_theta: torch.Tensor) -> torch.Tensor:
        library = counts.sum(1, keepdim=True).clamp_min(1e-12)
        odds = torch.log_softmax(logits, 1) + library.log() - log_theta
        found = torch.distributions.NegativeBinomial(
            log_theta.exp(), logits=odds, validate_args=False
        ).log_prob(counts)
        return found.sum(1)

    def written_out(logits: torch.Tensor, log_theta: torch.Tensor) -> torch.Tensor:
        return softmax_negative_binomial(logits, log_theta, _sparse(counts))

    gradients, values = [], []
    for log_prob in (plain, written_out):
        local = np.random.default_rng(seed)
        logits = torch.from_numpy(local.normal(0, 2, (n, genes))).requires_grad_()
        log_theta = torch.from_numpy(local.uniform(-2, 3, genes)).requires_grad_()
        value = log_prob(logits, log_theta)
        weight = torch.from_numpy(local.normal(size=n))
        (value * weight).sum().backward()
        values.append(value.detach())
        gradients.append((logits.grad, log_theta.grad))
    torch.testing.assert_close(values[0], values[1], rtol=1e-6, atol=1e-5)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_sparse_counts_are_the_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = torch.from_numpy(rng.poisson(0.7, (4, 6)) * rng.choice([1.0, 0.5, 30.0], (4, 6)))
    counts[2] = 0
    found = _sparse(counts)
    assert torch.equal(found.dense(6), counts)
    assert torch.equal(found.library, counts.sum(1, keepdim=True))
    torch.testing.assert_close(found.constant, torch.lgamma(counts + 1).sum(1))
    looked_up = found.value[np.setdiff1d(np.arange(len(found.value)), found.large)]
    assert np.isin(looked_up, np.arange(1, 17)).all()


def test_an_empty_cell_is_certain() -> None:
    logits = torch.randn(1, 3, requires_grad=True)
    found = softmax_negative_binomial(logits, torch.zeros(3), _sparse(torch.zeros(1, 3)))
    assert found.item() == 0
    found.sum().backward()
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_count_that_the_softmax_gives_no_share_is_unlikely_and_finite() -> None:
    logits = torch.tensor([[0.0, -200.0]], requires_grad=True)
    counts = _sparse(torch.tensor([[1.0, 2.0]]))
    found = softmax_negative_binomial(logits, torch.zeros(2), counts)
    assert -1000 < found.item() < -50
    found.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 1] > 1


def test_half_precision_ends_before_the_counts() -> None:
    counts = _sparse(torch.tensor([[3000.0, 1.0, 0.0]]))
    logits = torch.randn(1, 3).bfloat16()
    found = softmax_negative_binomial(logits, torch.zeros(3), counts)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found, softmax_negative_binomial(logits.float(), torch.zeros(3), counts)
    )


def test_mixed_precision_ends_before_the_counts() -> None:
    """Within autocast, products of matrices would be of half precision again."""
    counts, logits = _sparse(torch.tensor([[3000.0, 1.0, 0.0]])), torch.randn(1, 3)
    whole = softmax_negative_binomial(logits, torch.zeros(3), counts)
    with torch.autocast("cpu", torch.bfloat16):
        found = softmax_negative_binomial(logits, torch.zeros(3), counts)
    assert torch.equal(found, whole)
