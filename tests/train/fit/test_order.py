from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.train.fit.order import Pools, epoch_pools, minibatches
from cellport.train.reference.scratch import panel_counts


@given(
    n=st.integers(1, 700),
    batch_size=st.integers(1, 90),
    pool=st.integers(1, 300),
    block=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_every_cell_is_in_one_minibatch(
    n: int, batch_size: int, pool: int, block: int, seed: int
) -> None:
    rows = np.sort(np.random.default_rng(seed).permutation(3 * n)[:n])
    steps = -(-n // batch_size)
    pools = epoch_pools(rows, steps, np.random.default_rng(seed), Pools(pool, block))
    batches = [batch for of_pool in pools for batch in of_pool]
    assert len(batches) == steps
    assert np.ptp([len(batch) for batch in batches]) <= 1
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), rows)


def test_a_pool_holds_blocks_from_all_over_a_sorted_reference() -> None:
    """Types in order, 40,000 cells each: minibatches are as mixed as if drawn cell by cell."""
    rows = np.arange(200_000)
    kind = rows // 40_000
    pools = epoch_pools(rows, 3125, np.random.default_rng(0))
    assert len(pools) == 6
    of_pool = np.array([np.bincount(kind[np.concatenate(pool)], minlength=5) for pool in pools])
    share = of_pool / of_pool.sum(axis=1, keepdims=True)
    # of 1,024 blocks: standard deviation sqrt(0.2 * 0.8 / 1024) = 0.0125
    assert np.abs(share - 0.2).max() < 0.05
    batches = [batch for pool in pools for batch in pool]
    number = np.array([np.bincount(kind[batch], minlength=5) for batch in batches])
    assert number.var(axis=0).mean() == pytest.approx(64 * 0.2 * 0.8, rel=0.12)


def test_fewer_cells_than_a_pool_are_shuffled_whole() -> None:
    rows = np.arange(0, 500, 2)
    (pool,) = epoch_pools(rows, 4, np.random.default_rng(7))
    expected = np.random.default_rng(7).permutation(rows)
    np.testing.assert_array_equal(np.concatenate(pool), expected)


@pytest.mark.parametrize("first", [0, 3, 20, 37])
def test_counts_on_disk_come_in_the_same_minibatches(first: int, tmp_path: Path) -> None:
    counts = sp.csr_matrix(np.random.default_rng(0).poisson(0.4, (400, 30)).astype(np.float32))
    rows = np.setdiff1d(np.arange(400), np.arange(0, 400, 9))

    def collect(counts: Any, first: int = 0) -> list[tuple[Any, Any]]:
        return [
            (chosen, whole.toarray())
            for chosen, whole in minibatches(counts, rows, 38, [0, 1], first, Pools(64, 8))
        ]

    with panel_counts([counts], counts.shape, tmp_path / "scratch", 0) as stored:
        found = collect(stored, first)
    expected = collect(counts)[first:]
    assert len(found) == len(expected) == 38 - first
    for (one, whole), (other, there) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(whole, there)
        np.testing.assert_array_equal(whole, counts[one].toarray())
