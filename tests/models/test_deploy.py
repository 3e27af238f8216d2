from __future__ import annotations

import numpy as np
import pytest
import torch

from cellport.models.calibrated import calibrated_probabilities
from cellport.models.deploy import ExpectedCounts, MappingEncoder, MappingTail
from cellport.models.feature_layout import FeatureLayout
from cellport.models.layout import LayoutNetwork
from cellport.models.normalise import PanelNormaliser
from cellport.models.novelty import Groups, Knots, LayerGroups, NoveltyScore, NoveltySignals
from cellport.models.structure import GaussianMixture, StructureHead
from cellport.models.vae import CountVAE, ModelConfig

GENES, FACTORS, OTHERS = 9, 5, 2


def _features(labels: int) -> FeatureLayout:
    return FeatureLayout(FACTORS, labels, OTHERS)


def _model(labels: int = 3, likelihood: str = "nb") -> CountVAE:
    torch.manual_seed(1)
    normaliser = PanelNormaliser(
        torch.full((GENES,), 1 / GENES), torch.rand(GENES), 0.1 + torch.rand(GENES)
    )
    features = _features(labels)
    config = ModelConfig(
        GENES,
        2,
        features,
        n_hidden=8,
        n_latent=4,
        likelihood=likelihood,  # type: ignore[arg-type]
    )
    return CountVAE(config, normaliser, torch.randn(GENES, features.n_features)).eval()


def _novelty(labels: int) -> NoveltyScore:
    def groups(width: int) -> Groups:
        return Groups(torch.eye(width), torch.zeros(width), torch.randn(2, width), 1.0)

    discriminants = (groups(labels), groups(labels)) if labels else None
    of_label = torch.arange(labels) - 1
    layers = LayerGroups(groups(FACTORS), groups(4), discriminants, of_label)
    knots = Knots(torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0.0, 1.0, 3.0]), 0.5)
    names = ("scores", "latent", "own", "relative", "doubt") if labels else ("scores", "latent")
    signals = NoveltySignals(_features(labels), layers)
    return NoveltyScore(signals, dict.fromkeys(names, knots)).eval()


def _layout() -> LayoutNetwork:
    torch.manual_seed(2)
    wide = torch.full((4,), 50.0)
    return LayoutNetwork(torch.zeros(4), torch.tensor(1.0), -wide, wide, torch.rand(4, 2)).eval()


def _structure() -> StructureHead:
    """Three clusters, no trajectory."""
    torch.manual_seed(3)
    return StructureHead(GaussianMixture(torch.randn(4, 3), torch.zeros(3)), None).eval()


def _counts() -> torch.Tensor:
    counts = np.random.default_rng(0).poisson(3, (6, GENES)).astype(np.float32)
    counts[0] = 0
    counts[:, 2] = np.nan
    return torch.from_numpy(counts)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
@pytest.mark.parametrize("softness", [0.0, 0.3])
def test_answers_are_the_latent_mean_and_calibrated_probabilities(
    softness: float, temperature: float
) -> None:
    model = _model()
    novelty = _novelty(3)
    layout, structure = _layout(), _structure()
    tail = MappingTail(model.encoder.tail, softness, novelty, layout, structure, temperature)
    encoder = MappingEncoder(model.encoder, tail)
    latent, score, place, prob, cluster = encoder(_counts())
    encoded = model.encoder(_counts())
    torch.testing.assert_close(latent, encoded.mean)
    values, _ = model.encoder.normalise(_counts())
    weight = model.encoder.basis
    torch.testing.assert_close(score, novelty(values @ weight, encoded.mean, encoded.logits))
    expected = calibrated_probabilities(encoded.logits / temperature, softness)
    torch.testing.assert_close(prob, expected)
    torch.testing.assert_close(place, layout(encoded.mean))
    torch.testing.assert_close(cluster, structure(encoded.mean)[0])


def test_without_labels_there_are_no_probabilities() -> None:
    model, others = _model(labels=0), (0.0, _novelty(0), _layout(), _structure())
    tail = MappingTail(model.encoder.tail, *others)
    whole = MappingEncoder(model.encoder, tail)(_counts())
    for answers in (whole, tail(torch.zeros(6, FACTORS + OTHERS))):
        assert [tuple(answer.shape) for answer in answers] == [(6, 4), (6,), (6, 2), (6, 3)]


def test_expected_counts_are_the_decoder_mean() -> None:
    model = _model()
    inputs = torch.randn(3, 4), torch.full((3, 2), 0.5), torch.full((3, 1), 100.0)
    torch.testing.assert_close(ExpectedCounts(model)(*inputs), model.decoder(*inputs)[0])


def test_expected_counts_of_zinb_are_lowered_by_its_extra_zeros() -> None:
    model = _model(likelihood="zinb")
    inputs = torch.randn(3, 4), torch.full((3, 2), 0.5), torch.full((3, 1), 100.0)
    mean, logit = model.decoder(*inputs)
    torch.testing.assert_close(ExpectedCounts(model)(*inputs), mean * (1 - torch.sigmoid(logit)))
