"""Which cells of the reference hang together, and which of these lie along a continuum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist

from cellport.train.structure.backbone import centres
from cellport.train.structure.clusters import by_size

# centres of a choice of them, choices that vote, and the share of the cells that must vote alike
# for their group to join others
_CENTRES = 20
_VOTES = 9
_LEAST_SHARE = 0.01
# cells in the middle of an edge, per cell at its thinner end, for each width of a centre
_LEAST_BRIDGE = 0.045
_MIDDLE, _END = 0.32, 0.34


def connected_groups(
    latent: NDArray[np.floating], seed: int, by_chance: float = 0.0
) -> NDArray[np.int64]:
    """Find the groups of cells between which there is a gap, int64 [cells], 0 the largest.

    Centres of the cells are joined by a minimum spanning tree. An edge of it is cut where its
    middle is empty beside its ends: the longer the edge, the fewer cells are enough of a gap.
    Where a cut falls depends on the centres, so there is a vote: what hangs together with most
    choices of them stays together.

    `by_chance` is how many cells a middle may lack by chance. Among few cells one or two decide
    whether there is a gap: without them islands count that lie near one another, and with them a
    continuum that is thin in places.
    """
    votes = np.stack([_groups(latent, seed + at, by_chance) for at in range(_VOTES)], axis=1)
    kinds, of_cell, number = np.unique(votes, axis=0, return_inverse=True, return_counts=True)
    # cells between two groups, now with one and now with the other, are no bridge
    many = np.flatnonzero(number >= min(_LEAST_SHARE * len(latent), number.max()))
    together = (kinds[:, None] == kinds[many][None]).mean(axis=2)
    joined = connected_components(csr_matrix(together[many] > 0.5), directed=False)[1]
    return by_size(joined[together.argmax(axis=1)][of_cell.ravel()])


def _groups(latent: NDArray[np.floating], seed: int, by_chance: float) -> NDArray[np.int64]:
    """Find groups with one choice of centres."""
    n_centres = int(np.clip(len(latent) // 20, 1, _CENTRES))
    if n_centres < 2:
        return np.zeros(len(latent), np.int64)
    centre = centres(latent, n_centres, seed)
    nearest = cdist(latent, centre).argmin(axis=1)
    width = np.sqrt((np.linalg.norm(latent - centre[nearest], axis=1) ** 2).mean()) + 1e-12
    tree = minimum_spanning_tree(cdist(centre, centre) + 1e-12)
    kept = [
        (start, end)
        for start, end in np.argwhere(tree.toarray() > 0)
        if bridge(
            latent[(nearest == start) | (nearest == end)], centre[start], centre[end], by_chance
        )
        >= _LEAST_BRIDGE * np.linalg.norm(centre[start] - centre[end]) / width
    ]
    pairs = np.array(kept, np.int64).reshape(-1, 2)
    graph = csr_matrix((np.ones(len(pairs)), pairs.T), (n_centres, n_centres))
    return np.asarray(connected_components(graph, directed=False)[1][nearest], np.int64)


def bridge(
    latent: NDArray[np.floating],
    start: NDArray[np.floating],
    end: NDArray[np.floating],
    by_chance: float = 0.0,
) -> float:
    """Density in the middle between two centres, over that at the emptier of the two.

    Of the cells float [cells, latent] that are nearest to either, and so many more in the middle as
    it may lack by chance.
    """
    along = end - start
    way = (latent - start) @ along / max(along @ along, 1e-300)
    middle = np.abs(way - 0.5) < _MIDDLE / 2
    ends = min((np.abs(way - at) < _END / 2).sum() for at in (0, 1))
    return float((middle.sum() + by_chance) / _MIDDLE / (max(ends, 1) / _END))
