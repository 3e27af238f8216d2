from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.kernels.nearest import exact_neighbors


@settings(deadline=None, max_examples=40)
@given(
    n_reference=st.integers(1, 60),
    n_query=st.integers(0, 20),
    dimensions=st.integers(1, 12),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_equals_sorting_all_distances(
    n_reference: int, n_query: int, dimensions: int, seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    # whole numbers, so that ties are common and distances exact
    reference = rng.integers(-3, 4, (n_reference, dimensions)).astype(np.float32)
    query = rng.integers(-3, 4, (n_query, dimensions)).astype(np.float32)
    k = data.draw(st.integers(1, n_reference))
    squared = ((query[:, None] - reference[None]) ** 2).sum(2)
    expected = np.argsort(squared, axis=1, kind="stable")[:, :k]
    position, distance = exact_neighbors(reference.T, query, k)
    np.testing.assert_array_equal(position, expected)
    np.testing.assert_allclose(
        distance, np.sqrt(np.take_along_axis(squared, expected, 1)), rtol=1e-6
    )


@pytest.mark.parametrize("threads", [2, 3])
def test_same_bits_for_any_block_and_thread(threads: int) -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(30, 500)).astype(np.float32)
    query = rng.normal(size=(50, 30)).astype(np.float32)
    position, distance = exact_neighbors(reference, query, 5)
    for start in range(0, 50, 7):
        some = exact_neighbors(reference, query[start : start + 7], 5, threads=threads)
        np.testing.assert_array_equal(some[0], position[start : start + 7])
        np.testing.assert_array_equal(some[1], distance[start : start + 7])
