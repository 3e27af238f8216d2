"""Logits to probabilities that can be taken at their word."""

from __future__ import annotations

import torch
from torch import Tensor


def calibrated_probabilities(logits: Tensor, softness: float) -> Tensor:
    """Soften the lead of the best label, the more the larger it is.

    What is wrong on batches the model has not seen are probabilities near 1. A cell that lacks
    most genes has logits that are close already, and a temperature, which treats it as it
    treats a clean one, would make it far too unsure. So log-odds x of a best label above one half
    become x / (1 + softness x): as they were where small, and never above 1 / softness. The
    rest is shared out among the other labels as before, so their order never changes. Of logits
    float [n, labels] as many probabilities; softness 0 leaves them as they are.

    References
    ----------
    Platt 1999, "Probabilistic outputs for support vector machines" (a map of log-odds, fitted
    on held-out answers).
    """
    log_prob = torch.log_softmax(logits, dim=1)
    best, position = log_prob.max(dim=1, keepdim=True)
    is_best = torch.arange(logits.shape[1], device=logits.device) == position
    others = torch.where(is_best, torch.full_like(log_prob, -torch.inf), log_prob)
    rest = torch.logsumexp(others, dim=1, keepdim=True)
    # a second label never has as much as the best one above one half
    odds = (best - rest).clamp(0.0, 60.0)
    softened = torch.sigmoid(odds / (1 + softness * odds))
    share = torch.exp(others - rest)
    above_half = torch.where(is_best, softened, (1 - softened) * share)
    return torch.where(best > rest, above_half, torch.exp(log_prob))
