from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.models.feature_layout import FeatureLayout
from cellport.models.normalise import PanelNormaliser
from cellport.models.vae import Encoder, ModelConfig
from cellport.train.features.kernel import FeatureMaker

GENES, FEATURES = 40, 9


def _encoder() -> Encoder:
    torch.manual_seed(0)
    normaliser = PanelNormaliser(
        torch.rand(GENES).softmax(0),
        torch.rand(GENES),
        0.1 + torch.rand(GENES),
        target_sum=GENES,
        loading=torch.randn(GENES, 3),
        noise=0.2 + torch.rand(GENES),
    )
    config = ModelConfig(GENES, 1, FeatureLayout(3, 2, 2), n_hidden=8, n_latent=4)
    return Encoder(config, normaliser, torch.randn(GENES, FEATURES)).eval()


@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([1.0, 0.9, 0.3]))
@settings(max_examples=40, deadline=None)
def test_features_are_those_that_the_encoder_computes(seed: int, share: float) -> None:
    encoder = _encoder()
    rng = np.random.default_rng(seed)
    counts = sp.random(6, GENES, 0.4, "csr", np.float32, rng, lambda n: rng.integers(1, 50, n))
    measured = rng.random(GENES) < share
    measured[0] = True
    dense = np.where(measured, counts.toarray(), np.nan).astype(np.float32)
    values, _ = encoder.normalise(torch.from_numpy(dense))
    expected = values @ encoder.basis
    found = FeatureMaker(encoder)(counts, measured)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cells", [0, 1])
def test_no_cells_and_an_empty_cell(cells: int) -> None:
    encoder = _encoder()
    counts = sp.csr_matrix((cells, GENES), dtype=np.float32)
    found = FeatureMaker(encoder)(counts)
    assert found.shape == (cells, FEATURES)
    values, _ = encoder.normalise(torch.zeros(cells, GENES))
    np.testing.assert_allclose(found, (values @ encoder.basis).numpy(), rtol=1e-4, atol=1e-5)
