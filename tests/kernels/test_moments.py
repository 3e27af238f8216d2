from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.kernels.moments import add_moments


@given(cells=st.integers(0, 40), genes=st.integers(1, 12), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_adds_the_clipped_counts_of_each_group(cells: int, genes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.poisson(1.0, (cells, genes)).astype(np.float32)
    group = rng.integers(-1, 3, cells)
    highest = rng.uniform(0, 3, (3, genes))
    total, square = rng.random((2, 3, genes))
    expected = total.copy(), square.copy()
    for row, code in zip(dense, group, strict=True):
        if code >= 0:
            clipped = np.where(row > 0, np.minimum(row, highest[code]), 0.0)
            expected[0][code] += clipped
            expected[1][code] += clipped**2
    counts = sp.csr_matrix(dense)
    add_moments(counts.indptr, counts.indices, counts.data, group, highest, total, square)
    np.testing.assert_allclose(total, expected[0])
    np.testing.assert_allclose(square, expected[1])
