from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from cellport.kernels.align import align
from cellport.kernels.normalise import log_normalise


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(0, 20), st.integers(1, 3))
def test_matches_dense(random_query: Any, seed: int, n_cells: int, threads: int) -> None:
    query = random_query(seed, n_cells, 50, 20)
    counts = query.dense()
    library = counts.sum(1)
    cap = np.random.default_rng(seed).uniform(1, 9, 20).astype(np.float32)
    indptr, indices, data = align(*query.csr, query.panel_column, 20)
    values = log_normalise(indptr, indices, data, library, cap, 1e4, threads=threads)
    assert values.dtype == np.float32
    scaled = counts * 1e4 / np.maximum(library, 1)[:, None]
    expected = np.where(library[:, None] > 0, np.minimum(np.log1p(scaled), cap), 0)
    got = csr_matrix((values, indices, indptr), shape=counts.shape).toarray()
    np.testing.assert_allclose(got, expected, rtol=3e-7)


def test_log1p_is_exact_to_one_unit_in_the_last_place() -> None:
    x = np.concatenate([np.geomspace(1e-30, 1e30, 200_000), np.arange(100_000)])
    x = x.astype(np.float32)
    one_row, zeros = np.array([0, len(x)]), np.zeros(len(x), np.int32)
    cap = np.full(1, np.inf, np.float32)
    got = log_normalise(one_row, zeros, x, np.ones(1), cap, 1.0)
    expected = np.log1p(x.astype(np.float64))
    error = np.abs(got - expected) / np.spacing(expected.astype(np.float32))
    assert error.max() < 1


def test_a_cell_without_library_stays_zero_and_the_input_unchanged() -> None:
    data = np.ones(2, np.float32)
    got = log_normalise(np.array([0, 2]), np.array([0, 1]), data, np.zeros(1), np.ones(2), 1e4)
    assert (got == 0).all()
    assert (data == 1).all()
