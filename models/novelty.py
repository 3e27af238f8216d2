"""How far a cell lies from everything in the reference, as one number."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cellport.models.feature_layout import FeatureLayout


class Groups(NamedTuple):
    """Groups of reference cells in one layer of the encoder."""

    # float [width, axes], to coordinates in which groups are round and distances weighted
    axes: Tensor
    origin: Tensor  # float [axes], middle of the groups in those coordinates
    centres: Tensor  # float [groups, axes], from there
    # median squared distance of held-out reference cells to the nearest centre, and the spread of
    # the root of one plus its ratio to that
    usual: float
    scale: float


class NoveltyScore(nn.Module):
    """Distance to the nearest group of reference cells, summed over layers of the encoder.

    A label head pulls cells of a type it has not seen onto the types it knows, so the latent
    alone misses the nearest relatives of the reference's types. The features, which are linear
    in the genes, still show them apart; the sum finds more than any. Without labels to tell apart
    there are no groups in the discriminants.

    References
    ----------
    Lee et al. 2018, NeurIPS, "A simple unified framework for detecting out-of-distribution
    samples and adversarial attacks": Mahalanobis distances to class means, over layers.
    """

    def __init__(
        self,
        features: FeatureLayout,
        scores: Groups,
        discriminants: Groups | None,
        latent: Groups,
    ) -> None:
        super().__init__()
        self.features = features
        self.scores = GroupDistance(scores)
        self.discriminants = None if discriminants is None else GroupDistance(discriminants)
        self.latent = GroupDistance(latent)

    def forward(self, features: Tensor, latent: Tensor) -> Tensor:
        """Score features and latent means float [n, ...]: float [n], larger for stranger cells."""
        score: Tensor = self.scores(features[:, self.features.scores]) + self.latent(latent)
        if self.discriminants is not None:
            score = score + self.discriminants(features[:, self.features.discriminants])
        return score


class GroupDistance(nn.Module):
    """Distance to the nearest group, in units of the reference's spread.

    Distances well below the usual one all count about the same.
    """

    axes: Tensor
    origin: Tensor
    centres: Tensor

    def __init__(self, groups: Groups) -> None:
        super().__init__()
        self.usual, self.scale = groups.usual, groups.scale
        for name in ("axes", "origin", "centres"):
            self.register_buffer(name, getattr(groups, name))

    def forward(self, values: Tensor) -> Tensor:
        """Distance of float [n, width], float [n]."""
        # the expanded square needs no array of cells x groups x axes, and double precision
        at, centres = (values @ self.axes - self.origin).double(), self.centres.double()
        apart = (
            at.square().sum(dim=1, keepdim=True) - 2 * at @ centres.T + centres.square().sum(dim=1)
        )
        nearest = apart.amin(dim=1).clamp_min(0.0).to(values.dtype)
        # a root, not a logarithm: its last bit would depend on the cell's place in the block
        return torch.sqrt(1 + nearest / self.usual) / self.scale
