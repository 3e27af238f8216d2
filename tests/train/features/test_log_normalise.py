from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from cellport.train.cells import TrainingCells
from cellport.train.features.log_normalise import label_profiles, log_normalised


def test_is_log1p_of_counts_at_one_depth_and_leaves_the_counts_alone() -> None:
    dense = np.random.default_rng(0).poisson(0.7, (30, 12)).astype(np.float32)
    dense[4] = 0
    counts = sp.csr_matrix(dense)
    found = log_normalised(counts, 1e4)
    library = np.maximum(dense.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(found.toarray(), np.log1p(dense * 1e4 / library), rtol=1e-6)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(counts.toarray(), dense)


@pytest.mark.parametrize("labelled", [True, False])
def test_profiles_are_the_mean_log_normalised_cells(labelled: bool) -> None:
    rng = np.random.default_rng(6)
    counts = sp.csr_matrix(rng.poisson(2.0, (30, 12)).astype(np.float32))
    label = np.where(np.arange(30) < 3, -1, rng.integers(0, 3, 30))
    cells = TrainingCells(
        counts, label, np.zeros(30, np.int64), 3 if labelled else 0, 1, np.empty(0, np.int64)
    )
    dense = counts.toarray().astype(np.float64)
    values = np.log1p(1e4 * dense / dense.sum(axis=1, keepdims=True))
    expected = (
        np.stack([values[label == code].mean(axis=0) for code in range(3)])
        if labelled
        else values.mean(axis=0, keepdims=True)
    )
    np.testing.assert_allclose(label_profiles(cells), expected, rtol=1e-5, atol=1e-6)
