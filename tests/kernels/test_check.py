from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cellport.kernels.check import STRUCTURE_FAULTS, check_structure, check_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

INT64 = np.iinfo(np.int64)


def fault(indptr: NDArray[Any], indices: NDArray[Any], n_genes: int) -> int:
    """The first fault, found with Python integers."""
    pointers, genes = [int(p) for p in indptr], [int(g) for g in indices]
    if not pointers or pointers[0] != 0:
        return 1
    if any(b < a for a, b in pairwise(pointers)):
        return 2
    if pointers[-1] > len(genes):
        return 3
    return 4 if any(not 0 <= g < n_genes for g in genes[: pointers[-1]]) else 0


def arrays(dtype: type, near: int, max_size: int) -> st.SearchStrategy[NDArray[Any]]:
    info = np.iinfo(dtype)
    low = max(info.min, -2)
    element = st.one_of(
        st.integers(low, near), st.sampled_from([int(info.min), int(info.max)]), st.just(0)
    )
    return npst.arrays(dtype, st.integers(0, max_size), elements=element)


integers = st.sampled_from([np.int32, np.int64, np.uint64])


@settings(deadline=None, max_examples=100)
@given(st.data(), st.integers(0, 5))
def test_hostile_structures_get_the_right_code(data: st.DataObject, n_genes: int) -> None:
    indptr = data.draw(arrays(data.draw(integers), 4, 5))
    indices = data.draw(arrays(data.draw(integers), 5, 5))
    assert check_structure(indptr, indices, n_genes) == fault(indptr, indices, n_genes)


@settings(deadline=None, max_examples=100)
@given(st.data(), st.integers(1, 5))
def test_sorted_pointers_get_the_right_code(data: st.DataObject, n_genes: int) -> None:
    indices = data.draw(npst.arrays(np.int32, st.integers(0, 20), elements=st.integers(-1, 5)))
    indptr = data.draw(npst.arrays(np.int64, st.integers(1, 6), elements=st.integers(0, 21)))
    indptr.sort()
    indptr[0] = 0
    assert check_structure(indptr, indices, n_genes) == fault(indptr, indices, n_genes)


def test_a_fault_deep_inside_is_found() -> None:
    indptr = np.arange(0, 100_001, 100)
    indices = np.arange(100_000, dtype=np.int32) % 500
    assert check_structure(indptr, indices, 500) == 0
    assert check_structure(indptr, indices, 499) == 4
    for position in (0, 7, 50_003, 99_999):
        bad = indices.copy()
        bad[position] = -1
        assert check_structure(indptr, bad, 500) == 4
    decreasing = indptr.copy()
    decreasing[777] += 101
    assert check_structure(decreasing, indices, 500) == 2


def test_pointers_that_overflow_a_difference_are_refused() -> None:
    indptr = np.array([0, INT64.max, INT64.min, 0])
    assert check_structure(indptr, np.zeros(3, np.int32), 5) == 2
    assert check_structure(np.array([0, INT64.max]), np.zeros(3, np.int32), 5) == 3


def test_every_code_has_words() -> None:
    assert sorted(STRUCTURE_FAULTS) == [1, 2, 3, 4]


values = st.one_of(
    st.integers(0, 2**20).map(float),
    st.sampled_from([0.5, -1.0, -0.5, -0.0, np.nan, np.inf, -np.inf, 1e30, 1e-30, 2.0**24 + 2]),
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(deadline=None, max_examples=100)
@given(st.data())
def test_values_are_counted_by_reason(dtype: Any, data: st.DataObject) -> None:
    x = data.draw(npst.arrays(dtype, st.integers(0, 40), elements=values.map(lambda v: dtype(v))))
    finite = x[np.isfinite(x)]
    assert check_values(x) == (
        (finite < 0).sum(),
        np.isnan(x).sum(),
        np.isinf(x).sum(),
        (finite != np.floor(finite)).sum(),
    )


@pytest.mark.parametrize("bad", [-1, np.nan, np.inf, 0.5])
@pytest.mark.parametrize("position", [0, 12_345, 99_999])
def test_one_bad_value_in_many_is_found(bad: float, position: int) -> None:
    x = np.random.default_rng(0).poisson(3, 100_000).astype(np.float32)
    assert sum(check_values(x)) == 0
    x[position] = bad
    assert sum(check_values(x)) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint64, bool])
def test_unsigned_values_are_counts(dtype: Any) -> None:
    assert sum(check_values(np.array([0, 1, 200]).astype(dtype))) == 0


def test_other_types() -> None:
    assert check_values(np.array([3, -1, -2], np.int16)).negative == 2
    assert check_values(np.array([1, 0.5, np.nan], np.float16)) == (0, 1, 0, 1)
    assert check_values(np.array([1, -0.5, 2], ">f4")) == (1, 0, 0, 1)
