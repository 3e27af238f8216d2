"""Clusters of the reference, and the mixture that assigns any cell to them."""

from __future__ import annotations

import random

import igraph
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, identity, triu, vstack
from sklearn.neighbors import NearestNeighbors

from cellport.models.structure import GaussianMixture
from cellport.train.structure.curve import gaussian_mixture, pooled_covariance

# clusters of fewer cells are given to others
_FEWEST_CELLS = 5
# of each cell, where the square root of the number of cells is less
_FEWEST_NEIGHBORS = 15
# cells whose neighbourhoods are compared at a time
_CHUNK = 1000


def leiden(latent: NDArray[np.float32], seed: int, resolution: float) -> NDArray[np.int64]:
    """Cluster float32 [cells, latent] by Leiden on a graph of shared neighbours, int64 [cells].

    The largest cluster is 0; fewer than three cells are one. The seed decides in which order
    cells are moved. The larger the resolution, the more clusters.

    References
    ----------
    Traag, Waltman, van Eck 2019, Scientific Reports, "From Louvain to Leiden".
    """
    if len(latent) < 3:
        return np.zeros(len(latent), np.int64)
    graph = shared_neighbors(latent)
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = igraph.Graph(
            n=len(latent), edges=np.stack([graph.row, graph.col], axis=1)
        ).community_leiden(
            "modularity", weights=graph.data.tolist(), resolution=resolution, n_iterations=3
        )
    finally:
        igraph.set_random_number_generator(random)
    return by_size(_without_small(latent, np.asarray(found.membership, np.int64)))


def shared_neighbors(latent: NDArray[np.float32]) -> coo_matrix:
    """Join neighbours, weighted by the share of their neighbours that they have in common.

    Neighbourhoods grow with the square root of the number of cells. With as few neighbours as a
    map needs, chance gaps within a type cut it, the more the more cells there are. Each pair is
    there once, above the diagonal; weights are above 0 and at most 1, float64 [cells, cells].

    References
    ----------
    Levine et al. 2015, Cell (PhenoGraph: these weights).
    """
    n_cells = len(latent)
    k = min(max(_FEWEST_NEIGHBORS, round(n_cells**0.5)), n_cells - 1)
    others = NearestNeighbors(n_neighbors=k).fit(latent).kneighbors_graph()
    others.sort_indices()
    pairs = triu(others.maximum(others.T), format="csr")
    around = (others + identity(n_cells)).tocsr()
    # in parts, because far more pairs have a neighbour in common than are neighbours
    shared = vstack(
        [
            (around[start : start + _CHUNK] @ around.T).multiply(pairs[start : start + _CHUNK])
            for start in range(0, n_cells, _CHUNK)
        ],
        format="coo",
    )
    shared.data /= 2 * (k + 1) - shared.data
    return shared


def cluster_mixture(latent: NDArray[np.float32], cluster: NDArray[np.int64]) -> GaussianMixture:
    """Fit normal distributions of one covariance to clusters int64 [cells]."""
    number = np.bincount(cluster)
    mean = np.stack([latent[cluster == code].mean(axis=0) for code in range(len(number))])
    covariance = pooled_covariance(latent, mean.astype(np.float64)[cluster])
    return gaussian_mixture(mean.astype(np.float64), number.astype(np.float64), covariance)


def _without_small(latent: NDArray[np.float32], cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the cells of clusters of very few cells to the nearest larger one."""
    number = np.bincount(cluster)
    large = np.flatnonzero(number >= min(_FEWEST_CELLS, number.max()))
    mean = np.stack([latent[cluster == code].mean(axis=0) for code in large])
    for row in np.flatnonzero(~np.isin(cluster, large)):
        cluster[row] = large[((mean - latent[row]) ** 2).sum(axis=1).argmin()]
    return cluster


def by_size(group: NDArray[np.integer]) -> NDArray[np.int64]:
    """Renumber groups of cells, int64 [cells], largest first."""
    order = np.argsort(-np.bincount(group), kind="stable")
    return np.asarray(np.argsort(order)[group], np.int64)
