"""Centroids around which a large reference is searched for neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

# the reference cells of one inverted list, and those that place its centroid
_CELLS_A_LIST = 200
_SAMPLE_A_LIST = 50


def neighbor_centroids(latent: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Place centroids for the inverted lists of a nearest-neighbour search.

    Only the centroids travel: the index itself is made when an atlas is opened, so that no
    library has to read an index from a stranger. They are float32 [lists, latent], about one list
    for 200 cells; `seed` decides the sample and the clustering.

    References
    ----------
    Jegou et al. 2011, IEEE TPAMI, "Product quantization for nearest neighbor search" (inverted
    lists).
    """
    n_lists = max(1, len(latent) // _CELLS_A_LIST)
    rng = np.random.default_rng(seed)
    n_sample = min(len(latent), n_lists * _SAMPLE_A_LIST)
    sample = latent[rng.choice(len(latent), n_sample, replace=False)]
    clusters = MiniBatchKMeans(n_lists, random_state=seed, n_init=1, batch_size=4096, max_iter=20)
    return np.asarray(clusters.fit(sample).cluster_centers_, dtype=np.float32)
