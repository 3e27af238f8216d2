from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from cellport.models.feature_layout import FeatureLayout
from cellport.models.normalise import PanelNormaliser
from cellport.models.vae import CountVAE, ModelConfig
from cellport.train.degrade import Degradation
from cellport.train.infer import (
    TrainedEncoder,
    encode_cells,
    encode_layers,
    in_chunks,
    latent_of,
)

GENES = 12


def _model() -> CountVAE:
    torch.manual_seed(0)
    normaliser = PanelNormaliser(
        torch.full((GENES,), 1 / GENES), torch.rand(GENES), torch.ones(GENES), float(GENES)
    )
    layout = FeatureLayout(3, 2, 1)
    config = ModelConfig(GENES, 1, layout, n_hidden=8, n_latent=4)
    return CountVAE(config, normaliser, torch.randn(GENES, layout.n_features)).eval()


def _counts(n: int = 50) -> sp.csr_matrix:
    return sp.csr_matrix(np.random.default_rng(0).poisson(3, (n, GENES)).astype(np.float32))


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_chunks_are_put_together_in_order(size: int) -> None:
    asked = []

    def answer(chunk: slice) -> tuple[torch.Tensor, ...]:
        asked.append(len(range(50)[chunk]))
        rows = torch.arange(50)[chunk].float()
        return rows, torch.stack([rows, -rows], dim=1)

    one, two = in_chunks(50, answer, size)
    np.testing.assert_array_equal(one, np.arange(50))
    np.testing.assert_array_equal(two, np.column_stack([one, -one]))
    assert sum(asked) == 50
    assert max(asked) <= size


def test_of_no_cells_the_width_is_known() -> None:
    assert latent_of(TrainedEncoder(_model()), _counts(0)).shape == (0, 4)


def test_all_ways_to_encode_whole_cells_agree() -> None:
    model, counts = _model(), _counts()
    encoder = TrainedEncoder(model)
    with torch.inference_mode():
        expected = model.encoder(torch.from_numpy(counts.toarray()))
    rows = np.array([4, 3, 30])
    latent, logits = encode_cells(encoder, counts, rows, 2, None, np.random.default_rng(0))
    np.testing.assert_allclose(latent, expected.mean[rows], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(logits, expected.logits[rows], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(latent_of(encoder, counts), expected.mean, rtol=1e-4, atol=1e-5)
    features, latent, logits = encode_layers(encoder, counts)
    assert features.shape == (50, 8)
    np.testing.assert_allclose(latent, expected.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(logits, expected.logits, rtol=1e-4, atol=1e-5)


def test_layers_of_cells_without_some_genes_are_those_of_dense_counts() -> None:
    encoder, counts = TrainedEncoder(_model()), _counts()
    measured = np.random.default_rng(0).random(counts.shape[1]) < 0.6
    dense = np.where(measured, counts.toarray(), np.nan).astype(np.float32)
    expected = encode_layers(encoder, dense)
    for found, values in zip(encode_layers(encoder, counts, measured), expected, strict=True):
        np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-4)


def test_cells_of_a_chunk_are_degraded_together() -> None:
    encoder, counts = TrainedEncoder(_model()), _counts()
    how = Degradation(thin_share=0.0, mask_share=1.0, gene_noise=0.0, mask_declared=1.0)
    alike = sp.csr_matrix(np.repeat(counts[:1].toarray(), 6, axis=0))
    latent, _ = encode_cells(encoder, alike, np.arange(6), 3, how, np.random.default_rng(1))
    assert np.ptp(latent[:3], axis=0).max() < 1e-5
    assert np.abs(latent[0] - latent[3]).max() > 1e-3
