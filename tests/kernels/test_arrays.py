from __future__ import annotations

import numpy as np
import pytest

from cellport.kernels.arrays import CACHE_LINE, frozen, frozen_csr, on_cache_lines


def test_frozen_is_a_view_of_what_fits() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    view = frozen(array, np.float32)
    assert np.shares_memory(view, array)
    assert not view.flags.writeable
    assert array.flags.writeable


def test_frozen_copies_what_does_not_fit() -> None:
    turned = np.arange(6, dtype=">i4").reshape(2, 3).T
    fitted = frozen(turned)
    assert fitted.flags.c_contiguous
    assert fitted.dtype == np.int32
    np.testing.assert_array_equal(fitted, turned)
    assert frozen(np.ones(2, np.float16)).dtype == np.float32


def test_csr_arrays_have_the_types_of_the_kernels() -> None:
    given = np.array([0, 1], np.uint16), np.array([3], np.int64), np.array([7], ">f8")
    found = frozen_csr(*given)
    assert [array.dtype for array in found] == [np.int64, np.int32, np.float32]
    assert [array.tolist() for array in found] == [[0, 1], [3], [7]]


@pytest.mark.parametrize("shape", [(0, 0, 32), (3, 0), (5,), (3, 500, 32)])
def test_on_cache_lines_is_the_same_array_elsewhere(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32).T
    for _ in range(9):
        there = on_cache_lines(array)
        assert there.ctypes.data % CACHE_LINE == 0 or not there.size
        assert there.flags.c_contiguous
        np.testing.assert_array_equal(there, array)
