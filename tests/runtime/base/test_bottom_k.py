from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from cellport.runtime.base.bottom_k import BottomK, spread_out

WIDTH = 3


def new(most: int) -> BottomK:
    return BottomK(
        most, place=np.empty((0, 2), np.float32), counts=sp.csr_matrix((0, WIDTH), dtype=np.float32)
    )


def add(kept: BottomK, position: np.ndarray) -> None:
    """Values of a cell tell where it stands."""
    column = position % WIDTH
    counts = sp.csr_matrix(
        (position + 1.0, (np.arange(len(position)), column)), (len(position), WIDTH)
    )
    kept.add(position, place=np.stack([position, -position], axis=1), counts=counts)


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert_array_equal(one[name], other[name])
        assert one[name].dtype == other[name].dtype


@given(st.data(), st.integers(0, 60), st.integers(1, 40))
def test_any_cut_any_order_any_joining(data: st.DataObject, n: int, most: int) -> None:
    whole = new(most)
    add(whole, np.arange(n))
    cuts = data.draw(st.lists(st.integers(0, n), max_size=5).map(sorted))
    parts = [new(most) for _ in range(data.draw(st.integers(1, 3)))]
    for block in data.draw(st.permutations(np.split(np.arange(n), cuts))):
        add(data.draw(st.sampled_from(parts)), block)
    joined = new(most)
    for part in parts:
        joined.join(part.state())
    assert_same(joined.state(), whole.state())
    assert len(joined) == min(n, most)
    kept = joined.position
    assert set(kept) == set(np.argsort(spread_out(np.arange(n)))[:most].tolist())
    assert_array_equal(joined["place"][:, 0], kept)
    assert_array_equal(joined["counts"].sum(axis=1).A1, kept + 1)
    assert_array_equal(joined.by_position("place")[:, 1], -np.sort(kept))


@given(st.integers(0, 200), st.integers(1, 30))
def test_only_those_that_enter_need_values(n: int, most: int) -> None:
    lazy, whole = new(most), new(most)
    for start in range(0, n, 17):
        position = np.arange(start, min(start + 17, n))
        add(whole, position)
        add(lazy, position[lazy.entering(position)])
    assert_same(lazy.state(), whole.state())


def test_few_enter_late() -> None:
    kept = new(100)
    add(kept, np.arange(100_000))
    assert len(kept.entering(np.arange(100_000, 200_000))) < 500


def test_a_sample_is_even() -> None:
    kept = new(3000)
    add(kept, np.arange(100_000))
    in_tenths = np.bincount(kept.position // 10_000, minlength=10)
    assert in_tenths.min() > 240
    # so are the first of them
    assert np.bincount(kept.position[:1000] // 10_000, minlength=10).min() > 60


def test_memory_does_not_grow_with_the_cells() -> None:
    kept = new(50)
    add(kept, np.arange(10_000))
    tracemalloc.start()
    for start in range(10_000, 500_000, 10_000):
        add(kept, np.arange(start, start + 10_000))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000


def test_hashes_are_one_to_one() -> None:
    assert len(np.unique(spread_out(np.arange(100_000)))) == 100_000


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64])
def test_hashes_do_not_depend_on_the_type(dtype: Any) -> None:
    assert_array_equal(spread_out(np.arange(9, dtype=dtype)), spread_out(np.arange(9)))
