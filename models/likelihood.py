"""Likelihoods of counts, in the mean and inverse-dispersion parameterisation of scVI."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

_EPS = 1e-8


def negative_binomial_log_prob(counts: Tensor, mean: Tensor, theta: Tensor) -> Tensor:
    """Log-probability of counts under a negative binomial.

    Parameters
    ----------
    counts
        float [n, genes], counts (0, 1, 2, ...).
    mean
        float [n, genes], expected counts, > 0.
    theta
        float, broadcastable to `counts`; inverse dispersion, variance = mean + mean^2 / theta.

    Returns
    -------
    Tensor
        float [n, genes].

    References
    ----------
    Lopez et al. 2018, Nature Methods, "Deep generative modeling for single-cell
    transcriptomics" (scVI).
    """
    log_theta_mean = torch.log(theta + mean + _EPS)
    return (
        theta * (torch.log(theta + _EPS) - log_theta_mean)
        + counts * (torch.log(mean + _EPS) - log_theta_mean)
        + torch.lgamma(counts + theta)
        - torch.lgamma(theta)
        - torch.lgamma(counts + 1)
    )


def softmax_negative_binomial(logits: Tensor, log_theta: Tensor, counts: Tensor) -> Tensor:
    """Log-probability of each cell's counts, its total spread over genes by a softmax.

    Equal to ``negative_binomial_log_prob(counts, mean, theta).sum(1)`` where the mean is
    ``softmax(logits) * counts.sum(1)``, with the derivatives written out and the terms that
    vanish at zero computed at the non-zero counts only: left to autograd, this is most of the
    cost of a training step.

    Parameters
    ----------
    logits
        float [n, genes].
    log_theta
        float [genes], logarithm of the inverse dispersion.
    counts
        float [n, genes], counts (0, 1, 2, ...).

    Returns
    -------
    Tensor
        float [n], float32 at least.
    """
    # half precision will do for the network, not for counts
    exact = torch.promote_types(logits.dtype, torch.float32)
    log_prob: Tensor = _SoftmaxNegativeBinomial.apply(  # type: ignore[no-untyped-call]
        logits.to(exact), log_theta.to(exact), counts.to(exact)
    )
    return log_prob


class _SoftmaxNegativeBinomial(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, log_theta: Tensor, counts: Tensor) -> Tensor:
        theta = log_theta.exp()
        share = torch.softmax(logits, dim=1)
        mean = share * counts.sum(dim=1, keepdim=True)
        # of the logarithm of the probability by that of the mean
        slope = (counts - mean).div_(mean + theta).mul_(theta)
        log_ratio = torch.log1p(mean / theta)

        filled = counts.view(-1).nonzero().squeeze(1)
        cell, gene = filled // counts.shape[1], filled % counts.shape[1]
        count, at_theta = counts.view(-1)[filled], theta[gene]
        at_mean = mean.view(-1)[filled] + _EPS
        beyond_zero = (
            count * torch.log(at_mean / (at_theta + at_mean))
            + torch.lgamma(count + at_theta)
            - torch.lgamma(theta)[gene]
            - torch.lgamma(count + 1)
        )
        ctx.save_for_backward(theta, share, slope, log_ratio, cell, gene, count)
        return (-(log_ratio @ theta)).index_add_(0, cell, beyond_zero)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, Tensor, None]:
        theta, share, slope, log_ratio, cell, gene, count = ctx.saved_tensors
        (of_cell,) = outer
        at_theta = theta[gene]
        beyond_zero = torch.digamma(count + at_theta) - torch.digamma(theta)[gene]
        of_theta = -(of_cell @ log_ratio) - (of_cell @ slope) / theta
        of_theta.index_add_(0, gene, beyond_zero * of_cell[cell])
        of_logits = (slope - share * slope.sum(dim=1, keepdim=True)).mul_(of_cell.unsqueeze(1))
        return of_logits, of_theta * theta, None


def zero_inflated_log_prob(
    counts: Tensor, mean: Tensor, theta: Tensor, dropout_logit: Tensor
) -> Tensor:
    """Log-probability of counts under a zero-inflated negative binomial.

    Parameters
    ----------
    counts, mean, theta
        As in `negative_binomial_log_prob`.
    dropout_logit
        float [n, genes], logit of the probability of an extra zero.

    Returns
    -------
    Tensor
        float [n, genes].

    References
    ----------
    Lopez et al. 2018, Nature Methods (scVI).
    """
    log_prob = negative_binomial_log_prob(counts, mean, theta)
    log_not_dropped = log_prob - softplus(dropout_logit)
    log_zero = torch.logaddexp(dropout_logit - softplus(dropout_logit), log_not_dropped)
    return torch.where(counts < 0.5, log_zero, log_not_dropped)
