"""A backbone to points in the latent: what the structure module answers from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import shortest_path
from scipy.special import softmax

from cellport.models.structure import GaussianMixture
from cellport.train.structure.backbone import Backbone, Floats, project

# points of all edges together, and the width of the smoothing between them
_POINTS = 64
_WIDTH = 1.5
_SHRINKAGE = 0.05


@dataclass(frozen=True, slots=True)
class Curve:
    """Points on the edges of a backbone."""

    # int64 and float [points], where each point lies
    edge: NDArray[np.int64]
    fraction: Floats
    length: Floats  # float [edges], in the latent
    mean: Floats  # float [points, latent]
    cells: Floats  # float [points], how many cells each point stands for
    point_of_cell: NDArray[np.int64]  # int64 [cells], the nearest point


def fit_curve(backbone: Backbone, space: Floats, latent: NDArray[np.floating]) -> Curve:
    """Lay points along the backbone and average the latent of the cells around each.

    The backbone lies in `space`, float [cells, dimensions]; `latent` is of the same cells.
    """
    on = project(backbone, space)
    length = _lengths(backbone, space, latent)
    n_points = np.maximum(1, np.round(_POINTS * length / length.sum())).astype(np.int64)
    edge = np.repeat(np.arange(len(length)), n_points)
    first = np.concatenate([[0], np.cumsum(n_points)[:-1]])
    fraction = (np.arange(len(edge)) - first[edge] + 0.5) / n_points[edge]
    step = np.minimum((on.fraction * n_points[on.edge]).astype(np.int64), n_points[on.edge] - 1)
    point_of_cell = first[on.edge] + step
    apart = _between_points(backbone, length, edge, fraction)
    near = np.exp(-0.5 * (apart / (_WIDTH * length.sum() / _POINTS)) ** 2)
    member = csr_matrix(
        (np.ones(len(latent)), (point_of_cell, np.arange(len(latent)))), (len(edge), len(latent))
    )
    cells = near @ np.asarray(member.sum(axis=1)).ravel()
    mean = near @ (member @ latent.astype(np.float64)) / np.maximum(cells, 1e-9)[:, None]
    cells = cells / near.sum(axis=1)
    return Curve(edge, fraction, length, mean, cells, point_of_cell)


def distances(backbone: Backbone, curve: Curve, root: int) -> tuple[Floats, Floats]:
    """Shortest way from a vertex to each vertex and to each point, in units of the latent."""
    at_vertex = between_vertices(backbone, curve.length)[root]
    start, end = at_vertex[backbone.edges].T
    at_point = start[curve.edge] * (1 - curve.fraction) + end[curve.edge] * curve.fraction
    return at_vertex, at_point


def pooled_covariance(latent: NDArray[np.floating], mean: Floats) -> Floats:
    """Covariance of the cells about their means, shrunk, float [latent, latent]."""
    apart = latent.astype(np.float64) - mean
    covariance = apart.T @ apart / len(apart)
    least = max(np.trace(covariance) / len(covariance), 1e-6)
    return np.asarray((1 - _SHRINKAGE) * covariance + _SHRINKAGE * least * np.eye(len(covariance)))


def gaussian_mixture(mean: Floats, cells: Floats, covariance: Floats) -> GaussianMixture:
    """Weights and bias of the posterior of normal distributions with one covariance.

    Of means float [components, latent], each as common as its number of cells float [components].
    """
    weight = np.linalg.solve(covariance, mean.T)
    prior = np.log(np.maximum(cells / cells.sum(), 1e-6))
    bias = prior - 0.5 * (mean.T * weight).sum(axis=0)
    return GaussianMixture(
        torch.from_numpy(weight.astype(np.float32)), torch.from_numpy(bias.astype(np.float32))
    )


def posterior(
    latent: NDArray[np.floating], mean: Floats, cells: Floats, covariance: Floats
) -> Floats:
    """Posterior of the components of `gaussian_mixture`, float [cells, components]."""
    mixture = gaussian_mixture(mean, cells, covariance)
    weight, bias = (part.numpy().astype(np.float64) for part in (mixture.weight, mixture.bias))
    return np.asarray(softmax(latent @ weight + bias, axis=1))


def _lengths(backbone: Backbone, space: Floats, latent: NDArray[np.floating]) -> Floats:
    """Length of each edge between the mean latents around its vertices."""
    on = project(backbone, space)
    nearest = np.where(on.fraction < 0.5, backbone.edges[on.edge, 0], backbone.edges[on.edge, 1])
    total = np.zeros((len(backbone.vertex), latent.shape[1]))
    np.add.at(total, nearest, latent)
    number = np.bincount(nearest, minlength=len(total))
    mean = total / np.maximum(number, 1)[:, None]
    length = np.linalg.norm(mean[backbone.edges[:, 0]] - mean[backbone.edges[:, 1]], axis=1)
    empty = (number[backbone.edges] == 0).any(axis=1)
    length[empty] = np.median(length[~empty]) if (~empty).any() else 1.0
    return np.asarray(np.maximum(length, 1e-6))


def between_vertices(backbone: Backbone, length: Floats) -> Floats:
    """Shortest way between each two vertices, for float [edges] lengths of the edges."""
    n = len(backbone.vertex)
    graph = csr_matrix((length, backbone.edges.T), (n, n))
    return np.asarray(shortest_path(graph, directed=False))


def _between_points(
    backbone: Backbone, length: Floats, edge: NDArray[np.int64], fraction: Floats
) -> Floats:
    apart = between_vertices(backbone, length)
    to_ends = np.stack([fraction, 1 - fraction], axis=1) * length[edge, None]
    ends = backbone.edges[edge]
    through = np.stack(
        [
            to_ends[:, a][:, None] + apart[np.ix_(ends[:, a], ends[:, b])] + to_ends[:, b][None]
            for a in (0, 1)
            for b in (0, 1)
        ]
    ).min(axis=0)
    same = edge[:, None] == edge[None]
    direct = np.abs(fraction[:, None] - fraction[None]) * length[edge][:, None]
    return np.asarray(np.where(same, direct, through))
