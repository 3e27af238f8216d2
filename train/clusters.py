"""Clusters of the reference, and the mixture that assigns any cell to them."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from cellport.models.structure import GaussianMixture
from cellport.train.layout import neighbor_graph
from cellport.train.trajectory import gaussian_mixture, pooled_covariance

# coarse: on labelled atlases finer clusters agree less with the labels
RESOLUTION = 0.1
_FEWEST_CELLS = 5


def leiden(latent: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Cluster by Leiden on UMAP's graph of neighbours, largest cluster first.

    Parameters
    ----------
    latent
        float32 [cells, latent], at least three cells.
    seed
        Of the order in which cells are moved.

    Returns
    -------
    ndarray
        int64 [cells].

    References
    ----------
    Traag, Waltman, van Eck 2019, Scientific Reports, "From Louvain to Leiden".
    """
    import igraph

    graph = neighbor_graph(latent)
    once = graph.row < graph.col
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = igraph.Graph(
            n=len(latent), edges=np.stack([graph.row[once], graph.col[once]], axis=1)
        ).community_leiden(
            "modularity", weights=graph.data[once].tolist(), resolution=RESOLUTION, n_iterations=3
        )
    finally:
        igraph.set_random_number_generator(random)
    return _by_size(_without_crumbs(latent, np.asarray(found.membership, np.int64)))


def cluster_mixture(latent: NDArray[np.float32], cluster: NDArray[np.int64]) -> GaussianMixture:
    """Fit normal distributions of one covariance to clusters int64 [cells]."""
    number = np.bincount(cluster)
    mean = np.stack([latent[cluster == code].mean(axis=0) for code in range(len(number))])
    covariance = pooled_covariance(latent, mean.astype(np.float64)[cluster])
    return gaussian_mixture(mean.astype(np.float64), number.astype(np.float64), covariance)


def _without_crumbs(latent: NDArray[np.float32], cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the cells of clusters of very few cells to the nearest larger one."""
    number = np.bincount(cluster)
    large = np.flatnonzero(number >= min(_FEWEST_CELLS, number.max()))
    mean = np.stack([latent[cluster == code].mean(axis=0) for code in large])
    for row in np.flatnonzero(~np.isin(cluster, large)):
        cluster[row] = large[((mean - latent[row]) ** 2).sum(axis=1).argmin()]
    return cluster


def _by_size(cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    number = np.bincount(cluster)
    rank = np.empty(len(number), np.int64)
    rank[np.argsort(-number, kind="stable")] = np.arange(len(number))
    return np.asarray(rank[cluster])
