"""The backbone of a continuum: a tree through the diffusion map of the reference.

Diffusion maps forget directions of the latent that are noise, so a tree through them has the
branches that the cells have. Where two of its parts meet again,
`cellport.train.structure.cycles` joins them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.sparse.linalg import eigsh
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors

# of the diffusion map and of the tree through it: others move pseudotime of the pancreas by less
# than .002 in rank correlation (docs/structure.md)
_NEIGHBORS = 30
_DIMENSIONS = 6
_VERTICES = 20
_SMOOTHING = 0.3
_ITERATIONS = 20
# a branch holds so many of the cells and is so many times longer than the cells are wide
LEAST_SHARE = 0.125
LEAST_LENGTH = 3.5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Backbone:
    """Vertices in a space, and which are joined: a tree, or a tree and one edge that closes it."""

    vertex: Floats  # float [vertices, dimensions]
    edges: NDArray[np.int64]  # int64 [edges, 2], pairs of vertices; every vertex is reached

    @property
    def degree(self) -> NDArray[np.int64]:
        """Number of edges at each vertex."""
        return np.bincount(self.edges.ravel(), minlength=len(self.vertex))

    @property
    def length(self) -> Floats:
        """Length of each edge, float [edges]."""
        along = np.diff(self.vertex[self.edges], axis=1)[:, 0]
        return np.asarray(np.linalg.norm(along, axis=1))


@dataclass(frozen=True, slots=True)
class Projection:
    """Nearest place on a backbone: edge, fraction of the way along it, squared distance to it."""

    edge: NDArray[np.int64]
    fraction: Floats
    square: Floats


@dataclass(frozen=True, slots=True)
class DiffusionMap:
    """Where cells lie in a diffusion map."""

    space: Floats  # float [cells, dimensions]
    # share of the slowest wave that a step of diffusion takes away: large in a ball of cells, small
    # along a line
    slowest: float


def fit_backbone(latent: NDArray[np.floating], seed: int) -> tuple[Backbone, DiffusionMap]:
    """Fit a tree through the diffusion map and prune branches that are not well supported.

    Of cells that hang together, float [cells, latent]; k-means starts from `seed`.

    References
    ----------
    Coifman, Lafon 2006 (diffusion maps); Haghverdi et al. 2016, Nature Methods (all scales
    summed); Mao et al. 2015, KDD, "Dimensionality reduction via graph structure learning" (a
    tree's vertices pulled towards their neighbours).
    """
    diffused = diffusion_map(latent)
    return prune(grow_tree(diffused.space, seed), diffused.space), diffused


def diffusion_map(latent: NDArray[np.floating]) -> DiffusionMap:
    """Diffusion map over all scales, of at most six dimensions."""
    n_cells = len(latent)
    k = min(_NEIGHBORS, n_cells - 1)
    distance, neighbor = NearestNeighbors(n_neighbors=k).fit(latent).kneighbors()
    width = distance[:, k // 2] + 1e-9
    close = np.exp(-(distance**2) / (width[:, None] * width[neighbor]))
    rows = np.repeat(np.arange(n_cells), k)
    kernel = sp.csr_matrix((close.ravel(), (rows, neighbor.ravel())), (n_cells, n_cells))
    kernel = kernel.maximum(kernel.T) + 1e-9 * sp.eye(n_cells)
    kernel = _divided(kernel, 1.0)
    root = np.sqrt(np.asarray(kernel.sum(axis=1)).ravel())
    n = min(_DIMENSIONS, n_cells - 2)
    values, vectors = eigsh(_divided(kernel, 0.5), n + 1, which="LA", v0=root)
    order = np.argsort(-values)
    values, vectors = values[order][1:], vectors[:, order][:, 1:]
    scale = np.sqrt((root**2).sum())
    # eigenvectors come with either sign
    vectors = vectors * np.where(np.abs(vectors.max(0)) < np.abs(vectors.min(0)), -1, 1)
    space = vectors / root[:, None] * scale * values / np.maximum(1 - values, 1e-6)
    return DiffusionMap(np.asarray(space), float(1 - values[0]))


def grow_tree(space: Floats, seed: int) -> Backbone:
    """Minimum spanning tree of k-means centres of `space`, each pulled towards its neighbours."""
    n_vertices = int(np.clip(len(space) // 20, 2, _VERTICES))
    return _settled(centres(space, n_vertices, seed), space, _spanning_tree)


def settle(backbone: Backbone, space: Floats) -> Backbone:
    """Pull the vertices to the cells and to their neighbours; the edges stay as they are."""
    return _settled(backbone.vertex, space, lambda vertex: backbone.edges)


def centres(values: NDArray[np.floating], number: int, seed: int) -> Floats:
    """Centres of k-means, float [number, dimensions]; some coincide where cells do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(number, n_init=4, random_state=seed).fit(values).cluster_centers_
    return np.asarray(found, np.float64)


def prune(tree: Backbone, space: Floats) -> Backbone:
    """Remove the least supported side branch, again and again, until all are supported.

    A branch must hold a share of the cells, float [cells, dimensions], and be longer than they lie
    away from the tree.
    """
    # of the whole tree: cells of a branch that went do not make the others doubtful
    width = np.sqrt(project(tree, space).square.mean()) + 1e-12
    while (tree.degree > 2).any():
        on = project(tree, space)
        length = tree.length
        weakest, worst = None, 1.0
        for branch in side_branches(tree):
            share = np.isin(on.edge, branch).mean() / LEAST_SHARE
            support = min(share, length[branch].sum() / width / LEAST_LENGTH)
            if support < worst:
                weakest, worst = branch, support
        if weakest is None:
            break
        tree = _without(tree, weakest)
    return tree


def side_branches(tree: Backbone) -> list[list[int]]:
    """Edges on the way from each end of the tree to the nearest branching."""
    degree = tree.degree
    leaves = np.flatnonzero(degree == 1).tolist()
    return [walk(tree, leaf, edges_at(tree, leaf)[0], degree != 2)[0] for leaf in leaves]


def edges_at(tree: Backbone, vertex: int) -> list[int]:
    """Edges of a vertex, ascending."""
    found: list[int] = np.flatnonzero((tree.edges == vertex).any(axis=1)).tolist()
    return found


def walk(tree: Backbone, start: int, first: int, stops: NDArray[np.bool_]) -> tuple[list[int], int]:
    """Leave a vertex by its edge `first`, up to the next one that stops: edges, and that vertex."""
    path, here = [first], int(tree.edges[first].sum()) - start
    while not stops[here]:
        path.append(next(edge for edge in edges_at(tree, here) if edge != path[-1]))
        here = int(tree.edges[path[-1]].sum()) - here
    return path, here


def project(backbone: Backbone, space: Floats) -> Projection:
    """Find the nearest place on the backbone for float [cells, dimensions]."""
    edge = np.zeros(len(space), np.int64)
    fraction = np.zeros(len(space))
    square = np.full(len(space), np.inf)
    for i, (start, end) in enumerate(backbone.vertex[backbone.edges]):
        along = end - start
        way = np.clip((space - start) @ along / max(along @ along, 1e-300), 0, 1)
        away = ((space - start - way[:, None] * along) ** 2).sum(axis=1)
        closer = away < square
        edge[closer], fraction[closer], square[closer] = i, way[closer], away[closer]
    return Projection(edge, fraction, square)


def _settled(
    vertex: Floats, space: Floats, edges_of: Callable[[Floats], NDArray[np.int64]]
) -> Backbone:
    """Pull vertices until they are settled, joined anew each time by the edges between them."""
    width = (cdist(space, vertex).min(axis=1) ** 2).mean() / space.shape[1]
    for _ in range(_ITERATIONS):
        vertex, width = _pulled(Backbone(vertex, edges_of(vertex)), space, width)
    return Backbone(vertex, edges_of(vertex))


def _pulled(backbone: Backbone, space: Floats, width: float) -> tuple[Floats, float]:
    """Vertices nearer to the cells around them and to their neighbours, and the cells' width."""
    vertex, edges = backbone.vertex, backbone.edges
    laplacian = np.zeros((len(vertex), len(vertex)))
    np.add.at(laplacian, (edges, edges), 1.0)
    laplacian[edges[:, 0], edges[:, 1]] = laplacian[edges[:, 1], edges[:, 0]] = -1
    square = cdist(space, vertex) ** 2
    share = np.exp((square.min(axis=1, keepdims=True) - square) / (2 * width))
    share /= share.sum(axis=1, keepdims=True)
    pull = _SMOOTHING * len(space) / len(vertex) * laplacian
    vertex = np.linalg.solve(np.diag(share.sum(axis=0) + 1e-9) + pull, share.T @ space)
    return vertex, max((share * cdist(space, vertex) ** 2).sum() / space.size, 1e-9)


def _spanning_tree(vertex: Floats) -> NDArray[np.int64]:
    # centres that coincide must stay joined, and a distance of 0 means not joined
    return np.argwhere(minimum_spanning_tree(cdist(vertex, vertex) + 1e-12).toarray() > 0)


def _without(tree: Backbone, branch: list[int]) -> Backbone:
    edges = np.delete(tree.edges, branch, axis=0)
    kept, numbered = np.unique(edges, return_inverse=True)
    return Backbone(tree.vertex[kept], numbered.reshape(edges.shape))


def _divided(kernel: sp.csr_matrix, power: float) -> sp.csr_matrix:
    by = sp.diags(np.asarray(kernel.sum(axis=1)).ravel() ** -power)
    return by @ kernel @ by
