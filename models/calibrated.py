"""Logits to probabilities that can be taken at their word."""

from __future__ import annotations

import torch
from torch import Tensor


def calibrated_probabilities(logits: Tensor, temperature: float, sharpness: float) -> Tensor:
    """Soften logits: first all of them, then the lead of the best label.

    Temperature alone treats a clean cell, whose logits are far apart, as it treats one that
    lacks most genes, whose logits are close already. What is wrong on batches the model has
    not seen is the former: probabilities near 1. So the log-odds of a best label above one
    half are multiplied by `sharpness`, and the rest is shared out among the others as before.
    The order of the labels never changes.

    Parameters
    ----------
    logits
        float [n, labels].
    temperature
        At least 1; the logits are divided by it.
    sharpness
        In (0, 1]; 1 leaves the best label's probability as it is.

    Returns
    -------
    Tensor
        float [n, labels], each row sums to 1.

    References
    ----------
    Guo et al. 2017, ICML, "On calibration of modern neural networks" (temperature). Platt
    1999, "Probabilistic outputs for support vector machines" (scaled log-odds).
    """
    log_prob = torch.log_softmax(logits / temperature, dim=1)
    best, position = log_prob.max(dim=1, keepdim=True)
    is_best = torch.arange(logits.shape[1], device=logits.device) == position
    others = torch.where(is_best, torch.full_like(log_prob, -torch.inf), log_prob)
    rest = torch.logsumexp(others, dim=1, keepdim=True)
    # a second label never has as much as the best one above one half
    softened = torch.sigmoid(sharpness * (best - rest).clamp(0.0, 60.0))
    share = torch.exp(others - rest)
    above_half = torch.where(is_best, softened, (1 - softened) * share)
    return torch.where(best > rest, above_half, torch.exp(log_prob))
