"""Counts of the panel genes to the standardised input of the network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cellport.models.missing import expected_values

# standard deviations above the mean at which a value is cut, scanpy's usual ``max_value``
CLIP = 10.0


class PanelNormaliser(nn.Module):
    """Log-normalise raw counts over the genes a query has, and centre them.

    A gene the query did not measure is NaN: it takes no part in the library size and stands at
    what the others make most likely (`expected_values`). The library size is scaled by the share
    of a reference cell's counts that lies in the measured genes, so that values keep the
    reference's scale however many genes are missing, and cells to `target_sum` counts.
    """

    # float [genes], mean share of each gene in a reference cell's panel counts; sums to 1
    share: Tensor
    # float [genes], of the log-normalised reference
    mean: Tensor
    sd: Tensor
    # float [genes, factors] and [genes], how the centred genes go together; without them a gene
    # that was not measured stands at the reference mean
    loading: Tensor
    noise: Tensor

    def __init__(
        self,
        share: Tensor,
        mean: Tensor,
        sd: Tensor,
        target_sum: float = 1e4,
        loading: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.target_sum = target_sum
        unrelated = torch.zeros(len(mean), 1)
        self.register_buffer("loading", unrelated if loading is None else loading)
        self.register_buffer("noise", torch.ones_like(mean) if noise is None else noise)
        for name, value in (("share", share), ("mean", mean), ("sd", sd)):
            self.register_buffer(name, value)

    @property
    def cap(self) -> Tensor:
        """Float [genes], the largest log-normalised value let through."""
        return self.mean + CLIP * self.sd

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise raw counts float [n, genes], NaN where a gene was not measured.

        Returns centred values [n, genes] (divide by ``sd`` for unit variance), and the library
        size over the panel [n, 1].
        """
        missing = torch.isnan(counts)
        known = torch.where(missing, torch.zeros_like(counts), counts)
        measured = (~missing).to(counts.dtype)
        library = known.sum(dim=1, keepdim=True)
        scale = self.target_sum * (measured @ self.share.unsqueeze(1)) / library.clamp_min(1e-6)
        values = torch.minimum(torch.log1p(known * scale), self.cap)
        centred = (values - self.mean) * measured
        if not torch.compiler.is_exporting() and not bool(missing.any()):
            return centred, library
        expected = expected_values(centred, measured, self.loading, self.noise)
        return torch.where(missing, expected, centred), library
