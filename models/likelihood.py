"""Likelihoods of counts, in the mean and inverse-dispersion parameterisation of scVI."""

from __future__ import annotations

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


def negative_binomial_cell_log_prob(counts: Tensor, mean: Tensor, theta: Tensor) -> Tensor:
    """Log-probability of each cell's counts, summed over genes.

    Equal to ``negative_binomial_log_prob(...).sum(1)``, with the terms that vanish at zero
    computed at the non-zero counts only: most of a cell is zeros, and the gamma functions
    and their derivatives are most of the cost of a training step.

    Parameters
    ----------
    counts, mean
        float [n, genes].
    theta
        float [genes].

    Returns
    -------
    Tensor
        float [n].
    """
    of_zero = -theta * torch.log1p(mean / theta)
    cell, gene = counts.nonzero(as_tuple=True)
    count = counts[cell, gene]
    gene_theta = theta[gene]
    gene_mean = mean[cell, gene] + _EPS
    beyond_zero = (
        count * torch.log(gene_mean / (gene_theta + gene_mean))
        + torch.lgamma(count + gene_theta)
        - torch.lgamma(gene_theta)
        - torch.lgamma(count + 1)
    )
    return of_zero.sum(dim=1).index_add(0, cell, beyond_zero)


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
