"""In which order cells are trained on, and how they come from where they lie.

A reference in memory is shuffled whole. One on disk would then cost a read for every cell, so
where there are more cells than fit a pool, blocks of neighbouring cells are drawn from all over
the reference, and shuffled together in the pool. The order does not depend on where the counts
lie: the same model comes of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.base.prefetch import prefetch
from cellport.train.cells import PanelCounts


@dataclass(frozen=True, slots=True)
class Pools:
    """How many cells are shuffled together, and how many of them come in a block.

    Of 1,024 blocks a pool of a reference sorted by type holds each type in its share, give or
    take far less than a minibatch adds (``benchmarks.training sampling``).
    """

    cells: int = 1 << 15
    block: int = 32


POOLS = Pools()


def epoch_pools(
    rows: NDArray[np.int64],
    steps: int,
    rng: np.random.Generator,
    pools: Pools = POOLS,
) -> list[list[NDArray[np.int64]]]:
    """Deal cells (int64, ascending) to the minibatches of an epoch, and those to pools.

    Minibatches differ by one cell at most. Every cell is in one of a pool's.

    References
    ----------
    The blocks and the pool are those of annbatch (scverse) and, before it, of the chunk
    shuffling of webdataset.
    """
    n_pools = max(1, round(len(rows) / pools.cells))
    if n_pools == 1:
        return [np.array_split(rng.permutation(rows), steps)]
    blocks = np.array_split(rows, -(-len(rows) // pools.block))
    order = np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])
    ends = np.cumsum([len(part) for part in np.array_split(order, steps)])
    dealt = []
    for of_pool in np.array_split(np.arange(steps), n_pools):
        if len(of_pool):
            start = ends[of_pool[0] - 1] if of_pool[0] else 0
            mixed = rng.permutation(order[start : ends[of_pool[-1]]])
            dealt.append(np.split(mixed, ends[of_pool[:-1]] - start))
    return dealt


def minibatches(
    counts: PanelCounts,
    rows: NDArray[np.int64],
    steps: int,
    seed: Sequence[int],
    first: int = 0,
    pools: Pools = POOLS,
) -> Iterator[tuple[NDArray[np.int64], sp.csr_matrix]]:
    """Yield the cells of each minibatch of an epoch, int64, and their counts.

    From minibatch `first` on, where earlier ones are done; the rest is what `epoch_pools` takes.
    """
    dealt = epoch_pools(rows, steps, np.random.default_rng(seed), pools)
    while first >= len(dealt[0]):
        first -= len(dealt.pop(0))
    dealt[0] = dealt[0][first:]
    if sp.issparse(counts):
        for chosen in (chosen for pool in dealt for chosen in pool):
            yield chosen, counts[chosen]
        return
    # a pool is read while minibatches are made of the one before it
    pools_read = prefetch((_read(counts, pool) for pool in dealt), 0)
    for pool, (among, read) in zip(dealt, pools_read, strict=True):
        for chosen in pool:
            yield chosen, read[np.searchsorted(among, chosen)]


def _read(
    counts: PanelCounts, pool: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], sp.csr_matrix]:
    among = np.sort(np.concatenate(pool))
    return among, counts[among]
