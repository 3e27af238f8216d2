"""How far a cell lies from everything in the reference, as one number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cellport.models.feature_layout import FeatureLayout

# how much steeper a rarity is beyond what any held-out cell reached than before, on the mean: of 1,
# a tiny reference takes cells for known that only the factor scores show; from 0 to 8 the areas of
# `benchmarks.novelty` differ by .002
_STEEPER = 4.0


class Groups(NamedTuple):
    """Groups of reference cells in one layer of the encoder."""

    # float [width, axes], to coordinates in which groups are round and distances weighted
    axes: Tensor
    origin: Tensor  # float [axes], middle of the groups in those coordinates
    centres: Tensor  # float [groups, axes], from there
    usual: float  # median squared distance of held-out reference cells to the nearest centre


class Knots(NamedTuple):
    """How many held-out reference cells reach a signal."""

    at: Tensor  # float [knots], ascending values of the signal, at least two
    # float [knots], ascending: minus the logarithm of the share of cells at or above each
    rarity: Tensor
    weight: float  # of the signal among the others


class LayerGroups(NamedTuple):
    """Groups of reference cells in the layers of an encoder."""

    scores: Groups | None  # in the features that hold most variance; None without
    latent: Groups
    # in the features that tell labels apart, with all of their cells as one group; None without
    discriminants: tuple[Groups, Groups] | None
    # int64 [labels], the group that is the cells of each label; -1 where it has no cells
    of_label: Tensor


class NoveltySignals(nn.Module):
    """Signs that a cell is like nothing in the reference, each larger for stranger cells.

    - Distance to the nearest group of reference cells in the features and in the latent. A label
      head pulls cells of a type that it has not seen onto the types it knows, so the latent alone
      misses their nearest relatives. The features, which are linear in the genes, still show them.
    - Among the discriminants, the distance to the group of the label that the head finds best,
      which is the nearest one unless head and features disagree; and how much farther the nearest
      group is than cells of the reference usually are from the middle of all of them, for what is
      strange in every direction is mostly noise.
    - The doubt of the head: a cell between two types is far from neither.

    Without labels there is neither a best one nor doubt.

    References
    ----------
    Lee et al. 2018, NeurIPS, "A simple unified framework for detecting out-of-distribution
    samples and adversarial attacks": Mahalanobis distances to class means, over layers.
    Ren et al. 2021, arXiv:2106.09022, "A simple fix to Mahalanobis distance for improving near-OOD
    detection": less the distance to all classes together.
    Hendrycks and Gimpel 2017, ICLR, "A baseline for detecting misclassified and
    out-of-distribution examples in neural networks": the probability of the best class.
    """

    of_label: Tensor

    def __init__(self, features: FeatureLayout, groups: LayerGroups) -> None:
        super().__init__()
        self.features = features
        self.scores = None if groups.scores is None else GroupDistance(groups.scores)
        self.latent = GroupDistance(groups.latent)
        self.discriminants = self.background = None
        if groups.discriminants is not None:
            self.discriminants, self.background = map(GroupDistance, groups.discriminants)
        self.register_buffer("of_label", groups.of_label)

    def forward(self, features: Tensor, latent: Tensor, logits: Tensor) -> dict[str, Tensor]:
        """Signals float [n] of features, latent means and logits, float [n, ...], by name."""
        signals = {"latent": self.latent(latent)}
        if self.scores is not None:
            signals["scores"] = self.scores(features[:, self.features.scores])
        if self.discriminants is not None and self.background is not None:
            values = features[:, self.features.discriminants]
            squares = self.discriminants.squares(values)
            nearest = squares.amin(dim=1)
            own = self._best(squares, logits, nearest)
            signals["own"] = torch.sqrt(1 + own)
            signals["relative"] = nearest - self.background.squares(values).amin(dim=1)
        if logits.shape[1] > 1:
            signals["doubt"] = doubt(logits)
        return signals

    def _best(self, squares: Tensor, logits: Tensor, nearest: Tensor) -> Tensor:
        """Square of the distance to the group of the best label; to the nearest without one."""
        if not logits.shape[1]:
            return nearest
        group = self.of_label[logits.argmax(dim=1)]
        own = squares.gather(1, group.clamp_min(0).unsqueeze(1)).squeeze(1)
        return torch.where(group < 0, nearest, own)


class NoveltyScore(nn.Module):
    """The rarities of a cell's signals, weighed and added up.

    Signals have different scales and tails; how rare each is among held-out reference cells makes
    them one. Which one shows a type that is missing differs from type to type.

    References
    ----------
    Fisher 1925, "Statistical methods for research workers": the product of p-values.
    """

    def __init__(self, signals: NoveltySignals, knots: Mapping[str, Knots]) -> None:
        super().__init__()
        self.signals = signals
        self.rarity = nn.ModuleDict({name: Rarity(one) for name, one in knots.items()})

    def forward(self, features: Tensor, latent: Tensor, logits: Tensor) -> Tensor:
        """Score float [n, ...] of each: float [n], larger for stranger cells."""
        signals = self.signals(features, latent, logits)
        rarities = [rarity(signals[name]) for name, rarity in self.rarity.items()]
        score: Tensor = rarities[0]
        for rarity in rarities[1:]:
            score = score + rarity
        return score


class Rarity(nn.Module):
    """Minus the logarithm of the share of held-out cells at or above a signal, times its weight.

    Linear between knots. Beyond the last no share is known, and it goes on so steeply that what one
    signal alone shows, but shows clearly, is not lost among the others.
    """

    low: Tensor
    span: Tensor
    step: Tensor

    def __init__(self, knots: Knots) -> None:
        super().__init__()
        self.register_buffer("low", knots.at[:-1])
        self.register_buffer("span", knots.at[1:] - knots.at[:-1])
        self.register_buffer("step", knots.rarity[1:] - knots.rarity[:-1])
        self.first, self.last = float(knots.rarity[0]), float(knots.at[-1])
        self.weight = knots.weight
        slope = (knots.rarity[-1] - knots.rarity[0]) / (knots.at[-1] - knots.at[0])
        self.steepness = _STEEPER * float(slope)

    def forward(self, signal: Tensor) -> Tensor:
        """Rarity of float [n], float [n]."""
        climbed = ((signal.unsqueeze(1) - self.low) / self.span).clamp(0.0, 1.0)
        beyond = (signal - self.last).clamp_min(0.0) * self.steepness
        # in double precision the order of a sum, which depends on the cell's place in the block,
        # does not show
        height = (climbed * self.step).double().sum(dim=1).to(signal.dtype)
        return self.weight * (self.first + height + beyond)


class GroupDistance(nn.Module):
    """Distance to the nearest group, in units of the reference's own.

    Distances well below the usual one all count about the same.
    """

    axes: Tensor
    origin: Tensor
    centres: Tensor

    def __init__(self, groups: Groups) -> None:
        super().__init__()
        self.usual = groups.usual
        for name in ("axes", "origin", "centres"):
            self.register_buffer(name, getattr(groups, name))

    def forward(self, values: Tensor) -> Tensor:
        """Distance of float [n, width], float [n]."""
        return torch.sqrt(1 + self.squares(values).amin(dim=1))

    def squares(self, values: Tensor) -> Tensor:
        """Squared distances to all groups over the usual one to the nearest, float [n, groups]."""
        # the expanded square needs no array of cells x groups x axes, and double precision
        at, centres = (values @ self.axes - self.origin).double(), self.centres.double()
        apart = (
            at.square().sum(dim=1, keepdim=True) - 2 * at @ centres.T + centres.square().sum(dim=1)
        )
        return apart.clamp_min(0.0).to(values.dtype) / self.usual


def doubt(logits: Tensor) -> Tensor:
    """Root of what is left for all labels but the best, float [n] of logits float [n, labels].

    The probabilities are summed without the best one, whose own rounding would hide small rests;
    the root spreads these.
    """
    best, position = logits.max(dim=1, keepdim=True)
    is_best = torch.arange(logits.shape[1], device=logits.device) == position
    odds = torch.exp(logits - best).masked_fill(is_best, 0.0).double().sum(dim=1)
    return torch.sqrt(odds / (1 + odds)).to(logits.dtype)
