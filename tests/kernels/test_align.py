from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from cellport.kernels.align import align

seeds = st.integers(0, 2**32)
ONE_TYPE_EACH = [
    (np.int32, np.int32, np.uint8),
    (np.int64, np.int64, np.int64),
    (np.int64, np.int32, np.float64),
    (np.int32, np.int64, np.float16),
    (np.uint32, np.uint16, np.uint16),
]


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(0, 20), st.integers(1, 60), st.integers(1, 30), st.integers(1, 3))
def test_align_is_a_product_with_the_map(
    random_query: Any, seed: int, n_cells: int, n_genes: int, n_panel: int, threads: int
) -> None:
    query = random_query(seed, n_cells, n_genes, n_panel)
    indptr, indices, data = align(*query.csr, query.panel_column, n_panel, threads=threads)
    assert (indptr.dtype, indices.dtype, data.dtype) == (np.int64, np.int32, np.float32)
    aligned = csr_matrix((data, indices, indptr), shape=(n_cells, n_panel))
    np.testing.assert_array_equal(aligned.toarray(), query.dense())
    assert (data != 0).all()
    for start, stop in pairwise(indptr):
        assert (np.diff(indices[start:stop]) > 0).all()


@pytest.mark.parametrize(("pointer", "index", "value"), ONE_TYPE_EACH)
def test_types_do_not_matter(random_query: Any, pointer: Any, index: Any, value: Any) -> None:
    query = random_query(1, 20, 50, 20)
    query.data = np.minimum(query.data, 255)
    expected = query.dense()
    query.indptr = query.indptr.astype(pointer)
    query.indices = query.indices.astype(index)
    query.data = query.data.astype(value)
    indptr, indices, data = align(*query.csr, query.panel_column.astype(np.int64), 20)
    aligned = csr_matrix((data, indices, indptr), shape=expected.shape)
    np.testing.assert_array_equal(aligned.toarray(), expected)
