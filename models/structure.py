"""Latent to clusters, a place on a trajectory and pseudotime, as a module that travels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class GaussianMixture:
    """Normal distributions that share one covariance: their posterior is linear, then a softmax."""

    weight: Tensor  # float [latent, components]
    bias: Tensor  # float [components]


@dataclass(frozen=True, slots=True)
class TrajectoryPoints:
    """Points along a graph, and what is known at each."""

    # a component for each point. Points on no edge stand for cells off the trajectory
    mixture: GaussianMixture
    edge: Tensor  # float [points, edges], 1 where a point lies on an edge
    fraction: Tensor  # float [points], of the way along the point's edge
    pseudotime: Tensor  # float [points], way from the root
    fate: Tensor  # float [points, terminal states], rows sum to 1
    # float [points], standard deviation of the pseudotime of a cell at the point
    pseudotime_sd: Tensor


class StructureHead(nn.Module):
    """Where a cell lies among the clusters and on the trajectory of the reference.

    The density of the reference along an edge of the trajectory is a normal distribution whose
    mean moves along the edge, as in VITAE's prior. Its integral over the edge is a sum over
    points, so the edges may bend. Each point and each cluster is a component of a mixture with
    one shared covariance; a cell's posterior over them, and with it every answer, depends on
    that cell alone.

    References
    ----------
    Du, Chen, Gao, Wang 2024, PNAS, "Joint trajectory inference for single-cell genomics using
    deep learning with a mixture prior" (VITAE). Bishop, Svensén, Williams 1998, Neural
    Computation, "GTM: the generative topographic mapping" (the sum over points).
    """

    cluster_weight: Tensor
    cluster_bias: Tensor
    point_weight: Tensor
    point_bias: Tensor
    edge: Tensor
    fraction: Tensor
    pseudotime: Tensor
    fate: Tensor
    pseudotime_sd: Tensor

    def __init__(self, clusters: GaussianMixture, trajectory: TrajectoryPoints | None) -> None:
        super().__init__()
        self.has_trajectory = trajectory is not None
        self.register_buffer("cluster_weight", clusters.weight)
        self.register_buffer("cluster_bias", clusters.bias)
        if trajectory is None:
            return
        self.register_buffer("point_weight", trajectory.mixture.weight)
        self.register_buffer("point_bias", trajectory.mixture.bias)
        for name in ("edge", "fraction", "pseudotime", "fate", "pseudotime_sd"):
            self.register_buffer(name, getattr(trajectory, name))

    def forward(self, latent: Tensor) -> tuple[Tensor, ...]:
        """Answer for float [n, latent].

        Returns
        -------
        tuple
            Posterior of the clusters [n, clusters]; with a trajectory also that of its edges
            [n, edges] (what lacks of 1 is off the trajectory) and, for a cell that is on it, the
            fraction of the way along each edge [n, edges], pseudotime [n], its standard
            deviation [n], and the probability of each terminal state [n, states].
        """
        cluster = torch.softmax(latent @ self.cluster_weight + self.cluster_bias, dim=1)
        if not self.has_trajectory:
            return (cluster,)
        point = torch.softmax(latent @ self.point_weight + self.point_bias, dim=1)
        edge = point @ self.edge
        fraction = point @ (self.edge * self.fraction.unsqueeze(1)) / edge.clamp_min(1e-12)
        on = point * self.edge.sum(dim=1)
        on = on / on.sum(dim=1, keepdim=True).clamp_min(1e-12)
        time = on @ self.pseudotime
        # about the mean, not the difference of two large numbers
        apart = self.pseudotime.unsqueeze(0) - time.unsqueeze(1)
        sd = (on * (apart.square() + self.pseudotime_sd.square())).sum(dim=1).sqrt()
        return cluster, edge, fraction.clamp(0.0, 1.0), time, sd, on @ self.fate
