from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cellport.kernels.check import check_values
from cellport.kernels.machine_code import call
from cellport.kernels.signatures import AllCounts

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


@settings(deadline=None, max_examples=100)
@given(npst.arrays(np.float32, st.integers(0, 40), elements=values.map(np.float32)))
def test_counts_alone_pass_at_the_first_look(x: Any) -> None:
    whole = np.isfinite(x) & (x >= 0) & (x == np.floor(x))
    assert call(AllCounts(x)) == whole.all()


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
