"""The vertex of a backbone at which its trajectory starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellport.models.vae import CountVAE
from cellport.train.infer import in_chunks
from cellport.train.structure.backbone import Backbone
from cellport.train.structure.curve import between_vertices

# a cell within this share of the longest way from an end stands for the end: of early cells of two
# simulations two in three lie a vertex or two off it, and a stub of a lineage grew behind them
_NEAR_END = 0.2

# backbone, nearest vertex of each cell that it was fitted to, positions of these cells -> vertex
RootRule = Callable[[Backbone, NDArray[np.int64], NDArray[np.int64]], int]


@dataclass(frozen=True, slots=True)
class RootChoice:
    """Where trajectories start."""

    labels: tuple[str, ...] = ()  # a label for each trajectory
    cells: tuple[str, ...] = ()  # names of reference cells, one for each further trajectory

    def __bool__(self) -> bool:
        return bool(self.labels or self.cells)


def at_label(inside: NDArray[np.bool_]) -> RootRule:
    """Start where cells bool [cells] are common: of such vertices, the one deepest among them."""

    def vertex(backbone: Backbone, near: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
        share = by_vertex(inside[rows], near, len(backbone.vertex))
        return _deepest(backbone, share >= share.max() / 2)

    return vertex


def among_cells(inside: NDArray[np.bool_]) -> RootRule:
    """Start at the vertex that most of the cells bool [cells] are near."""

    def vertex(backbone: Backbone, near: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
        return int(np.bincount(near[inside[rows]], minlength=len(backbone.vertex)).argmax())

    return vertex


def near_cells(inside: NDArray[np.bool_]) -> RootRule:
    """Start amid the cells bool [cells], at the end of the backbone where one is near.

    Amid is the vertex from which the ways to all of them are shortest together, so that a few of
    them that lie elsewhere do not decide.
    """

    def vertex(backbone: Backbone, near: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
        number = np.bincount(near[inside[rows]], minlength=len(backbone.vertex))
        apart = between_vertices(backbone, np.ones(len(backbone.edges)))
        amid = int((apart @ number).argmin())
        ends = np.flatnonzero(backbone.degree == 1)
        nearest = ends[apart[amid, ends].argmin()] if len(ends) else amid
        return int(nearest) if apart[amid, nearest] <= _NEAR_END * apart.max() else amid

    return vertex


def at_an_end(spread: NDArray[np.floating]) -> RootRule:
    """Start at the end of the backbone around which float [cells] is largest; a circle has none."""

    def vertex(backbone: Backbone, near: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
        mean = by_vertex(spread[rows], near, len(backbone.vertex))
        leaves = np.flatnonzero(backbone.degree == 1)
        starts = leaves if len(leaves) else np.arange(len(mean))
        return int(starts[mean[starts].argmax()])

    return vertex


def expression_spread(model: CountVAE, latent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Entropy of the expected expression of each cell, nats, float32 [cells].

    Cells early in development express more genes more evenly. Decoded, the entropy does not
    depend on how deep a cell was sequenced.

    References
    ----------
    Teschendorff, Enver 2017, Nature Communications (entropy and potency); Gulati et al. 2020,
    Science (CytoTRACE).
    """
    n_batches = model.config.n_batches

    def entropy(chunk: slice) -> tuple[Tensor]:
        some = torch.from_numpy(latent[chunk])
        batch = torch.full((len(some), n_batches), 1 / n_batches)
        share, _ = model.decoder(some, batch, torch.ones(len(some), 1))
        return (-(share * (share + 1e-12).log()).sum(dim=1),)

    return in_chunks(len(latent), entropy)[0]


def by_vertex(
    values: NDArray[np.generic], near: NDArray[np.int64], n_vertices: int
) -> NDArray[np.float64]:
    """Mean of the cells nearest to each vertex; 0 where there is none."""
    number = np.bincount(near, minlength=n_vertices)
    return np.asarray(np.bincount(near, values.astype(np.float64), n_vertices) / (number + 1e-9))


def _deepest(backbone: Backbone, inside: NDArray[np.bool_]) -> int:
    """Of some vertices, the one with most edges between it and any other vertex."""
    apart = between_vertices(backbone, np.ones(len(backbone.edges)))
    depth = apart[:, ~inside].min(axis=1, initial=len(inside))
    # an end of the backbone, where there is a choice
    return int(np.lexsort((backbone.degree, -depth))[0])
