from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.kernels.group_sums import add_group_sums

PARTS = 1 << 16


@given(
    cells=st.integers(0, 40),
    genes=st.integers(1, 12),
    seed=st.integers(0, 1000),
    whole=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_adds_the_counts_of_each_group(cells: int, genes: int, seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.poisson(1.0, (cells, genes)) * (1 if whole else rng.random((cells, genes)))
    dense = dense.astype(np.float32)
    group = rng.integers(-1, 3, cells).astype(np.int32)
    column = rng.integers(-1, 4, genes).astype(np.int32)
    memory = rng.integers(0, 9, (5, 4))
    total = memory[1:4]  # nothing is written before it or behind
    expected = memory.copy()
    for row, code in zip(dense, group, strict=True):
        for value, at in zip(row, column, strict=True):
            if code >= 0 and at >= 0:
                expected[1 + code, at] += int(np.floor(float(value) * PARTS + 0.5))
    counts = sp.csr_matrix(dense)
    add_group_sums(counts.indptr, counts.indices, counts.data, group, column, PARTS, total)
    np.testing.assert_array_equal(memory, expected)


def test_a_gene_that_comes_twice_in_a_cell_adds_up() -> None:
    total = np.zeros((1, 2), np.int64)
    indptr, indices, data = np.array([0, 3]), np.array([1, 0, 1]), np.array([2.0, 5.0, 7.0])
    zero, columns = np.zeros(1, np.int32), np.arange(2, dtype=np.int32)
    add_group_sums(indptr, indices, data, zero, columns, 1, total)
    assert total.tolist() == [[5, 9]]
