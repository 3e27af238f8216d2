from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.kernels.rows import over_rows, split_rows


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 9))
def test_slices_cover_every_row_once(sizes: list[int], parts: int) -> None:
    slices = split_rows(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), parts)
    assert len(slices) <= parts
    assert all(start < stop for start, stop in slices)
    assert [i for start, stop in slices for i in range(start, stop)] == list(range(len(sizes)))


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 9), st.integers(1, 10**6))
def test_rows_behind_others_are_cut_alike(sizes: list[int], parts: int, before: int) -> None:
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    assert split_rows(indptr + before, parts) == split_rows(indptr, parts)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_slices_have_equal_non_zeros(dtype: Any) -> None:
    sizes = np.random.default_rng(0).integers(500, 1500, 1000)
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(dtype)
    work = [indptr[stop] - indptr[start] for start, stop in split_rows(indptr, 4)]
    assert len(work) == 4
    assert max(work) - min(work) < 2 * 1500


def test_empty_rows_are_shared_out() -> None:
    assert split_rows(np.zeros(101, np.int64), 2) == [(0, 50), (50, 100)]


def test_one_large_row_is_one_slice() -> None:
    assert split_rows(np.array([0, 1000]), 4) == [(0, 1)]


@pytest.mark.parametrize("with_pool", [False, True])
def test_every_row_is_visited_once(with_pool: bool) -> None:
    visits = np.zeros(100, np.int64)
    threads = set()

    def visit(indptr: Any, step: int, start: int, stop: int) -> None:
        threads.add(threading.get_ident())
        visits[start:stop] += step

    with ThreadPoolExecutor(3) as pool:
        over_rows(visit, np.arange(101), 7, threads=3, pool=pool if with_pool else None)
    assert (visits == 7).all()
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("threads", [-1, 0, 1])
@pytest.mark.parametrize("rows", [0, 1, 100])
def test_one_thread_is_the_caller(rows: int, threads: int) -> None:
    visits: list[tuple[int, int, int]] = []

    def visit(indptr: Any, start: int, stop: int) -> None:
        visits.append((start, stop, threading.get_ident()))

    over_rows(visit, np.arange(rows + 1), **({"threads": threads} if threads < 1 else {}))
    assert visits == [(0, rows, threading.get_ident())] * (rows > 0)


def test_an_error_in_a_slice_is_raised() -> None:
    def fail(indptr: Any, start: int, stop: int) -> None:
        if start:
            raise ValueError("slice")

    with pytest.raises(ValueError, match="slice"):
        over_rows(fail, np.arange(101), threads=3)
