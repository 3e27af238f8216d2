"""Groups of cells that lie near each other in the latent, found on a sample of the cells."""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import whole

_STEPS = whole("groups.steps")


def find_centres(latent: NDArray[np.float32], n_centres: int) -> NDArray[np.float32]:
    """Place centres among cells by k-means, the same for the same cells in the same order.

    Parameters
    ----------
    latent
        float32 [cells, latent].
    n_centres
        How many, at most one a cell.

    Returns
    -------
    ndarray
        float32 [centres, latent].

    References
    ----------
    Lloyd 1982, IEEE Transactions on Information Theory, "Least squares quantization in PCM";
    started as by Arthur and Vassilvitskii 2007, SODA, "k-means++".
    """
    centres = latent[_started(latent, n_centres)]
    for _ in range(_STEPS):
        nearest = nearest_centre(centres, latent)
        cells = np.bincount(nearest, minlength=len(centres))
        sums = np.stack([np.bincount(nearest, d, len(centres)) for d in latent.T], axis=1)
        moved = sums / np.maximum(cells, 1)[:, None]
        # a centre that lost its cells stays where it was
        centres = np.where(cells[:, None] > 0, moved, centres).astype(np.float32)
    return centres


def nearest_centre(
    centres: NDArray[np.float32],
    latent: NDArray[np.float32],
    threads: int = 1,
    pool: Executor | None = None,
) -> NDArray[np.int64]:
    """Return the centre next to each cell, int64 [cells], whatever cells come with it."""
    from cellport.kernels.nearest import exact_neighbors

    across = np.ascontiguousarray(centres.T)
    return exact_neighbors(across, latent, 1, threads, pool)[0][:, 0]


def _started(latent: NDArray[np.float32], n_centres: int) -> NDArray[np.int64]:
    """Draw cells to start from, each by its squared distance from those drawn, int64 [centres]."""
    rng = np.random.default_rng(0)
    drawn = np.zeros(n_centres, np.int64)
    squared = np.full(len(latent), np.inf)
    for i in range(1, n_centres):
        gap = (latent - latent[drawn[i - 1]]).astype(np.float64)
        squared = np.minimum(squared, (gap * gap).sum(axis=1))
        total = np.cumsum(squared)
        drawn[i] = min(np.searchsorted(total, rng.random() * total[-1], "right"), len(latent) - 1)
    return drawn
