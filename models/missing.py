"""What genes that a query did not measure are expected to be, given those that it did."""

from __future__ import annotations

import torch
from torch import Tensor

# conjugate gradients come to single precision in about 10 steps, whatever is missing
_STEPS = 16
_TINY = 1e-20


def expected_values(values: Tensor, measured: Tensor, loading: Tensor, noise: Tensor) -> Tensor:
    """Conditional mean of every gene under a factor model, given the genes that were measured.

    Genes are ``loading @ factors + noise`` with standard normal factors. The factors are solved
    for each cell; the linear system is small, and its diagonal nearly does it.

    Parameters
    ----------
    values, measured
        float [n, genes]: centred values, 0 where not measured; 1 or 0.
    loading, noise
        float [genes, factors] and [genes], variance that the factors leave, above 0.

    Returns
    -------
    Tensor
        float [n, genes], also of the genes that were measured.

    References
    ----------
    Tipping and Bishop 1999, J. R. Stat. Soc. B, "Probabilistic principal component analysis",
    and Rubin and Thayer 1982, Psychometrika, for noise of each gene.
    """
    loading, noise = loading.to(values.dtype), noise.to(values.dtype)
    weighted = loading / noise.unsqueeze(1)
    if not torch.compiler.is_exporting() and bool((measured == measured[:1]).all()):
        return _for_shared_genes(values, measured[0], loading, weighted)
    right = values @ weighted
    diagonal = 1 + measured @ (weighted * loading)
    factors = torch.zeros_like(right)
    rest, ahead = right, right / diagonal
    size = (rest * ahead).sum(dim=1, keepdim=True)
    for _ in range(_STEPS):
        moved = ahead + ((ahead @ loading.T) * measured) @ weighted
        step = size / (ahead * moved).sum(dim=1, keepdim=True).clamp_min(_TINY)
        factors = factors + step * ahead
        rest = rest - step * moved
        preconditioned = rest / diagonal
        left = (rest * preconditioned).sum(dim=1, keepdim=True)
        ahead = preconditioned + left / size.clamp_min(_TINY) * ahead
        size = left
    return factors @ loading.T


def _for_shared_genes(
    values: Tensor, measured: Tensor, loading: Tensor, weighted: Tensor
) -> Tensor:
    known = weighted * measured.unsqueeze(1)
    # half precision, which training may be in, must not reach these sums
    with torch.autocast(values.device.type, enabled=False):
        system = torch.eye(loading.shape[1], device=loading.device) + known.T @ loading
        factors = torch.linalg.solve(system, (values @ known).T).T
        expected: Tensor = factors @ loading.T
    return expected
