"""Likelihoods of counts, in the mean and inverse-dispersion parameterisation of scVI."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

# scVI's, which keeps logarithms finite
_EPS = 1e-8
# a share of the counts that a softmax made zero
_LEAST = 1e-30
# counts up to this have their gamma functions looked up
_MOST_TABLED = 16


def negative_binomial_log_prob(counts: Tensor, mean: Tensor, theta: Tensor) -> Tensor:
    """Log-probability of counts under a negative binomial, float [n, genes].

    The mean is above 0; theta, which broadcasts to the counts, is the inverse dispersion:
    variance = mean + mean^2 / theta.

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


class SparseCounts(NamedTuple):
    """Counts of some cells without their zeros."""

    # int64 [counts], where each count is; cells ascending
    cell: Tensor
    gene: Tensor
    value: Tensor  # float [counts], the counts
    large: Tensor  # int64, positions in `value` of those above 16, and of those that are not whole
    library: Tensor  # float [cells, 1], sum of the counts of each cell
    constant: Tensor  # float [cells], sum of the logarithms of its counts' factorials

    def to(self, device: torch.device) -> SparseCounts:
        """Return the same on a device."""
        return SparseCounts(*(part.to(device) for part in self))

    def dense(self, n_genes: int) -> Tensor:
        """Return float [cells, genes]."""
        counts = self.value.new_zeros(len(self.library), n_genes)
        counts[self.cell, self.gene] = self.value
        return counts


def sparse_counts(indptr: Tensor, gene: Tensor, count: Tensor) -> SparseCounts:
    """Make `SparseCounts` of a CSR matrix: int64, int64 and float32.

    Each gene is once in a cell; zeros may be among the counts.
    """
    number = indptr.diff()
    cell = torch.repeat_interleave(torch.arange(len(number)), number)
    large = ((count > _MOST_TABLED) | (count != count.round())).nonzero().squeeze(1)
    factorials = torch.lgamma(torch.arange(_MOST_TABLED + 1, dtype=count.dtype) + 1)
    log_factorial = factorials.index_select(0, count.long().clamp_(0, _MOST_TABLED))
    log_factorial[large] = torch.lgamma(count[large] + 1)
    total, constant = (
        torch.segment_reduce(part, "sum", offsets=indptr, initial=0)
        for part in (count, log_factorial)
    )
    return SparseCounts(cell, gene, count, large, total.unsqueeze(1), constant)


def softmax_negative_binomial(logits: Tensor, log_theta: Tensor, counts: SparseCounts) -> Tensor:
    """Log-probability of each cell's counts, its total spread over genes by a softmax.

    Equal to ``negative_binomial_log_prob(counts, mean, theta).sum(1)`` where the mean is
    ``softmax(logits) * counts.sum(1)``, with the derivatives written out and the terms that
    vanish at zero computed at the non-zero counts only: left to autograd, this is most of the
    cost of a training step. Of logits float [n, genes] and log-theta float [genes] it is float
    [n], float32 at least.
    """
    # half precision will do for the network, not for counts
    exact = torch.promote_types(logits.dtype, torch.float32)
    with torch.autocast(logits.device.type, enabled=False):
        log_prob: Tensor = _SoftmaxNegativeBinomial.apply(  # type: ignore[no-untyped-call]
            logits.to(exact), log_theta.to(exact), *counts
        )
    return log_prob


class _SoftmaxNegativeBinomial(torch.autograd.Function):
    """With ratio = mean / theta: log p = -theta log1p(ratio), and more where a count is not 0.

    Its derivative by log mean is theta (beyond - 1) + count beyond, with beyond = 1 / (1 + ratio).
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        log_theta: Tensor,
        cell: Tensor,
        gene: Tensor,
        count: Tensor,
        large: Tensor,
        library: Tensor,
        constant: Tensor,
    ) -> Tensor:
        theta = log_theta.exp()
        ratio = torch.softmax(logits, dim=1).mul_(library).div_(theta)
        place = cell * logits.shape[1] + gene
        log_at = ratio.view(-1).index_select(0, place).clamp_min_(_LEAST).log_()
        log_beyond = torch.log1p(ratio)
        log_gamma, ctx.digamma = _gamma_rises(theta, gene, count, large)
        at_count = count * (log_at - softplus(log_at)) + log_gamma
        ctx.save_for_backward(theta, ratio, log_beyond, log_at, library, place, cell, gene, count)
        return (-(log_beyond @ theta) - constant).index_add_(0, cell, at_count)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        theta, ratio, log_beyond, log_at, library, place, cell, gene, count = ctx.saved_tensors
        (of_cell,) = outer
        beyond = (ratio + 1).reciprocal_()
        at_count = count * torch.sigmoid(-log_at)
        total = (beyond @ theta - theta.sum()).index_add_(0, cell, at_count)
        of_count = of_cell.index_select(0, cell)
        at_theta = of_count * (ctx.digamma - at_count / theta.index_select(0, gene))
        of_theta = of_cell.sum() - of_cell @ log_beyond - of_cell @ beyond
        of_theta.index_add_(0, gene, at_theta)
        # the softmax takes from each gene its share, ratio * theta / library, of the total
        pulled = (total / library.squeeze(1).clamp_min(_EPS)).unsqueeze(1)
        of_logits = torch.addcmul(beyond, ratio, pulled, value=-1).sub_(1)
        of_logits.mul_(theta).mul_(of_cell.unsqueeze(1))
        of_logits.view(-1).index_add_(0, place, at_count * of_count)
        return of_logits, of_theta * theta, *[None] * 6


def _gamma_rises(
    theta: Tensor, gene: Tensor, count: Tensor, large: Tensor
) -> tuple[Tensor, Tensor]:
    """How much lgamma and digamma rise from theta to theta + count, float [counts] each.

    Small counts, nearly all, are looked up: sums of log(theta + k) and of 1 / (theta + k).
    """
    steps = theta.unsqueeze(1) + torch.arange(_MOST_TABLED, device=theta.device)
    at = gene * _MOST_TABLED + (count.long() - 1).clamp_(0, _MOST_TABLED - 1)
    log_gamma, digamma = (
        table.cumsum(1).view(-1).index_select(0, at) for table in (steps.log(), steps.reciprocal())
    )
    if len(large):
        start, rise = theta[gene[large]], count[large]
        log_gamma[large] = torch.lgamma(start + rise) - torch.lgamma(start)
        digamma[large] = torch.digamma(start + rise) - torch.digamma(start)
    return log_gamma, digamma


def zero_inflated_log_prob(
    counts: Tensor, mean: Tensor, theta: Tensor, dropout_logit: Tensor
) -> Tensor:
    """Log-probability of counts under a zero-inflated negative binomial, float [n, genes].

    That of `negative_binomial_log_prob`, and `dropout_logit` float [n, genes], the logit of the
    probability of an extra zero, as in scVI.
    """
    log_prob = negative_binomial_log_prob(counts, mean, theta)
    log_not_dropped = log_prob - softplus(dropout_logit)
    log_zero = torch.logaddexp(dropout_logit - softplus(dropout_logit), log_not_dropped)
    return torch.where(counts < 0.5, log_zero, log_not_dropped)
