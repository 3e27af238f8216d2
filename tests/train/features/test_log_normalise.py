from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from cellport.train.features.log_normalise import log_normalised


def test_is_log1p_of_counts_at_one_depth_and_leaves_the_counts_alone() -> None:
    dense = np.random.default_rng(0).poisson(0.7, (30, 12)).astype(np.float32)
    dense[4] = 0
    counts = sp.csr_matrix(dense)
    found = log_normalised(counts, 1e4)
    library = np.maximum(dense.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(found.toarray(), np.log1p(dense * 1e4 / library), rtol=1e-6)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(counts.toarray(), dense)
