"""Nearest rows of a small matrix, exactly, with the same bits for any block or thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import frozen
from .jit import kernel
from .rows import over_rows

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray


@kernel
def nearest(
    _: Any, reference: Any, query: Any, position: Any, distance: Any, start: int, stop: int
) -> None:
    """Fill `position` and `distance` for the queries ``start:stop``; see `exact_neighbors`."""
    n_dimensions, n_reference = reference.shape
    k = position.shape[1]
    squared = np.empty(n_reference, np.float32)
    for i in range(start, stop):
        squared[:] = 0
        for d in range(n_dimensions):
            at = query[i, d]
            for r in range(n_reference):
                gap = reference[d, r] - at
                squared[r] += gap * gap
        found = 0
        for r in range(n_reference):
            if found == k and squared[r] >= distance[i, k - 1]:
                continue
            slot = min(found, k - 1)
            while slot > 0 and distance[i, slot - 1] > squared[r]:
                distance[i, slot] = distance[i, slot - 1]
                position[i, slot] = position[i, slot - 1]
                slot -= 1
            distance[i, slot] = squared[r]
            position[i, slot] = r
            found = min(found + 1, k)
        for slot in range(k):
            distance[i, slot] = np.sqrt(distance[i, slot])


def exact_neighbors(
    reference: NDArray[np.float32],
    query: NDArray[np.float32],
    k: int,
    threads: int = 1,
    pool: Executor | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the nearest reference cells by comparing with all of them.

    Parameters
    ----------
    reference
        float32 [dimensions, n_reference]: transposed, so that the inner loop runs over cells.
    query
        float32 [n_query, dimensions].
    k
        Neighbours wanted, from 1 to n_reference.
    threads, pool
        As in `cellport.kernels.rows.over_rows`.

    Returns
    -------
    position
        int64 [n_query, k], nearest first; of equally near cells the first.
    distance
        float32 [n_query, k], Euclidean.
    """
    position = np.empty((len(query), k), np.int64)
    distance = np.empty((len(query), k), np.float32)
    even = np.arange(len(query) + 1, dtype=np.int64)
    over_rows(
        nearest,
        even,
        frozen(reference, np.float32),
        frozen(query, np.float32),
        position,
        distance,
        threads=threads,
        pool=pool,
    )
    return position, distance
