"""Latent to a place on the 2-D map, as a network that travels with the encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# twice as wide or deep follows the reference no better on cells it has not seen
_HIDDEN = 64
# a network's output is about 1 at first, and a map some 20 wide
_BEND = 5.0


class LayoutNetwork(nn.Module):
    """A plane through the latent, bent by a small network.

    It starts as `plane`, float [latent, 2]: two directions of the latent, in units of the map.
    """

    centre: Tensor  # float [latent], mean of the reference
    spread: Tensor  # standard deviation of the reference, one number for all dimensions
    # float [latent], the box around the reference. A cell outside it is put on its border first,
    # so that a cell like none in the reference stays on the map
    low: Tensor
    high: Tensor

    def __init__(
        self, centre: Tensor, spread: Tensor, low: Tensor, high: Tensor, plane: Tensor
    ) -> None:
        super().__init__()
        for name, value in (("centre", centre), ("spread", spread), ("low", low), ("high", high)):
            self.register_buffer(name, value)
        self.flat = nn.Linear(len(centre), 2)
        self.bend = nn.Sequential(
            nn.Linear(len(centre), _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, 2),
        )
        with torch.no_grad():
            self.flat.weight.copy_(plane.T)
            self.flat.bias.zero_()

    def forward(self, latent: Tensor) -> Tensor:
        """Place float [n, latent] on the map, float [n, 2]."""
        inside = torch.minimum(torch.maximum(latent, self.low), self.high)
        centred = (inside - self.centre) / self.spread
        place: Tensor = self.flat(centred) + _BEND * self.bend(centred)
        return place
