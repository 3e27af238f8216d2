from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from cellport.train.features import normaliser as module
from cellport.train.features.normaliser import fit_normaliser


def test_normaliser_measures_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 40)
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.8, 3, 25)
    counts = sp.csr_matrix(rng.poisson(rate, (150, 25)).astype(np.float32))
    dense = counts.toarray().astype(float)
    normaliser = fit_normaliser(counts)
    share = dense / dense.sum(1, keepdims=True)
    logged = np.log1p(25 * share)
    np.testing.assert_allclose(normaliser.share.numpy(), share.mean(0), rtol=1e-5)
    np.testing.assert_allclose(normaliser.mean.numpy(), logged.mean(0), rtol=1e-5)
    expected = np.maximum(logged.std(0), np.maximum(0.05, logged.mean(0) / 10))
    np.testing.assert_allclose(normaliser.sd.numpy(), expected, rtol=1e-4)


def test_normaliser_survives_empty_cells_and_silent_genes() -> None:
    normaliser = fit_normaliser(sp.csr_matrix(np.array([[0, 0, 0], [4, 0, 1]], np.float32)))
    np.testing.assert_allclose(normaliser.share.numpy(), [0.8, 0, 0.2])
    assert (normaliser.sd > 0).all()
