"""Random numbers for cells that do not depend on how a minibatch is shared among processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Share:
    """The cells ``start:stop`` of a minibatch of `total`."""

    start: int
    stop: int
    total: int


def draw(random: Callable[..., Tensor], like: Tensor, share: Share | None) -> Tensor:
    """Draw for a share of a minibatch what it would get in the whole one.

    Every process draws for all cells, from the same state, and keeps its own: that costs
    little where a cell needs few numbers. `random` is ``torch.rand`` or ``torch.randn``, `like`
    float [n, width] of the share's cells, which are all of the minibatch where it is None.
    """
    to: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
    if share is None:
        return random(like.shape, **to)
    return random(share.total, like.shape[1], **to)[share.start : share.stop]


def seed_draws(seed: int, device: torch.device) -> None:
    """Seed the draws on a device: `torch.manual_seed` costs a tenth of a small training step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


class CellDropout(nn.Module):
    """Dropout with probability `p`, whose mask a cell keeps when processes share its minibatch."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.share: Share | None = None

    def forward(self, values: Tensor) -> Tensor:
        """Drop units of float [n, width]."""
        if not self.training or not self.p:
            return values
        kept = draw(torch.rand, values, self.share) >= self.p
        return values * kept.to(values.dtype).div_(1 - self.p)
