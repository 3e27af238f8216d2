from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cellport.models.draws import Share
from cellport.models.feature_layout import FeatureLayout
from cellport.models.likelihood import (
    SparseCounts,
    negative_binomial_log_prob,
    sparse_counts,
)
from cellport.models.normalise import PanelNormaliser
from cellport.models.vae import (
    CountVAE,
    Likelihood,
    Losses,
    ModelConfig,
    cell_weights,
    log_prob_of_any,
)

GENES, BATCHES, LABELS, FACTORS = 11, 2, 3, 5


def _model(likelihood: Likelihood = "nb", labels: int = LABELS) -> CountVAE:
    torch.manual_seed(0)
    normaliser = PanelNormaliser(
        torch.full((GENES,), 1 / GENES), torch.rand(GENES), 0.1 + torch.rand(GENES)
    )
    layout = FeatureLayout(FACTORS, labels, 3)
    config = ModelConfig(GENES, BATCHES, layout, n_hidden=16, n_latent=4, likelihood=likelihood)
    model = CountVAE(config, normaliser, torch.randn(GENES, layout.n_features))
    torch.nn.init.normal_(model.encoder.tail.skip.weight)
    return model


def _cells(n: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    counts = torch.from_numpy(rng.poisson(2, (n, GENES)).astype(np.float32))
    return counts, torch.eye(BATCHES)[torch.arange(n) % BATCHES]


def _label_loss(
    model: CountVAE, labels: list[int], weight: list[float] | None = None
) -> torch.Tensor:
    model.eval()
    counts, batch = _cells(len(labels))
    weights = torch.ones(model.config.features.n_labels) if weight is None else torch.tensor(weight)
    return _losses(model, counts, batch, torch.tensor(labels), weights).label


def _losses(
    model: CountVAE,
    counts: torch.Tensor,
    batch: torch.Tensor,
    labels: torch.Tensor,
    weight: torch.Tensor,
    possible: torch.Tensor | None = None,
) -> Losses:
    of_cell = cell_weights(labels, weight)
    losses: Losses = model(
        _features(model, counts), _sparse(counts), batch, labels, of_cell, possible=possible
    )
    return losses


def _features(model: CountVAE, counts: torch.Tensor) -> torch.Tensor:
    values, _ = model.encoder.normalise(counts)
    return values @ model.encoder.basis


def _sparse(counts: torch.Tensor) -> SparseCounts:
    indptr = torch.arange(0, counts.numel() + 1, counts.shape[1])
    gene = torch.arange(counts.shape[1]).repeat(len(counts))
    return sparse_counts(indptr, gene, counts.flatten())


def test_encoder_is_its_basis_and_its_tail() -> None:
    encoder = _model().encoder.eval()
    counts, _ = _cells()
    values, _ = encoder.normalise(counts)
    for one, other in zip(encoder(counts), encoder.tail(values @ encoder.basis), strict=True):
        torch.testing.assert_close(one, other)


def test_label_probabilities_are_the_mean_of_both_heads() -> None:
    encoder = _model().encoder.eval()
    counts, _ = _cells()
    encoded = encoder(counts)
    values, _ = encoder.normalise(counts)
    features = values @ encoder.basis
    by_latent = encoder.tail.head(encoded.mean) + encoder.tail.skip(features)
    by_tower = encoder.tail.tower(features)
    expected = (by_latent.softmax(dim=1) + by_tower.softmax(dim=1)) / 2
    torch.testing.assert_close(encoded.logits.exp(), expected, rtol=1e-5, atol=1e-6)


def test_latent_sees_the_factor_scores_alone() -> None:
    model = _model().eval()
    features = torch.randn(4, FACTORS + 2 * LABELS + 3)
    other = features.clone()
    other[:, FACTORS:] += 1
    one, two = model.encoder.tail(features), model.encoder.tail(other)
    assert torch.equal(one.mean, two.mean)
    assert torch.equal(one.log_variance, two.log_variance)
    assert not torch.allclose(one.logits, two.logits)


def test_some_genes_are_asked_for_as_if_the_panel_had_no_others() -> None:
    model = _model().eval()
    counts, batch = _cells()
    genes = torch.tensor([1, 4, 5, 9])
    latent = torch.randn(len(counts), model.config.n_latent)
    asked = counts[:, genes]
    found = model.log_prob(_sparse(asked), latent, batch, genes)
    whole, _ = model.decoder(latent, batch, torch.ones(len(counts), 1))
    mean = whole[:, genes] / whole[:, genes].sum(1, keepdim=True) * asked.sum(1, keepdim=True)
    theta = model.decoder.log_theta[genes].exp()
    expected = negative_binomial_log_prob(asked, mean, theta).sum(1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    found.sum().backward()
    weight = model.decoder.share.weight.grad
    assert weight is not None
    assert weight.any(1).nonzero().flatten().tolist() == genes.tolist()


def test_all_genes_asked_for_are_no_genes_named() -> None:
    model = _model().eval()
    counts, batch = _cells()
    latent = torch.randn(len(counts), model.config.n_latent)
    every = torch.arange(GENES)
    plain = model.log_prob(_sparse(counts), latent, batch)
    assert torch.equal(model.log_prob(_sparse(counts), latent, batch, every), plain)


def test_genes_asked_for_stand_for_all() -> None:
    """The sum over genes of a part counts as much more as there are more genes."""
    model = _model().eval()
    counts, batch = _cells()
    labels = torch.zeros(len(counts), dtype=torch.int64)
    genes, weight = torch.tensor([0, 3, 7]), cell_weights(labels, torch.ones(LABELS))
    features, some = _features(model, counts), _sparse(counts[:, [0, 3, 7]])
    torch.manual_seed(1)
    losses: Losses = model(features, some, batch, labels, weight, genes=genes)
    torch.manual_seed(1)
    encoded = model.encoder.tail(features)
    spread = (0.5 * encoded.log_variance).exp()
    latent = encoded.mean + spread * torch.randn(spread.shape)
    alone = -model.log_prob(some, latent, batch, genes).mean()
    torch.testing.assert_close(losses.reconstruction, alone * GENES / 3)


def test_label_loss_is_the_weighted_cross_entropy_of_labelled_cells() -> None:
    model = _model()
    labels, weight = [0, -1, 2, 1, -1, 2, 0], [0.5, 2.0, 1.0]
    found = _label_loss(model, labels, weight)
    expected = [
        torch.nn.functional.cross_entropy(
            log_prob, torch.tensor(labels), torch.tensor(weight), ignore_index=-1
        )
        for log_prob in model.encoder(_cells()[0]).label_log_prob
    ]
    torch.testing.assert_close(found, torch.stack(expected).mean())


@given(
    st.lists(st.sets(st.integers(0, 2), min_size=1), min_size=1, max_size=6),
    st.lists(st.floats(0.1, 5.0), min_size=6, max_size=6),
)
def test_a_cell_that_may_have_several_labels_has_the_loss_of_their_sum(
    allowed: list[set[int]], weights: list[float]
) -> None:
    model = _model().eval()
    counts, batch = _cells(len(allowed))
    possible = torch.tensor([[at in of for at in range(3)] for of in allowed])
    # each cell its own kind, so that each has its own weight
    weight = torch.tensor(weights[: len(allowed)])
    found = _losses(model, counts, batch, torch.arange(len(allowed)), weight, possible).label
    log_prob = model.encoder(counts).label_log_prob.double()
    summed = torch.stack([log_prob[:, at, list(of)].logsumexp(1) for at, of in enumerate(allowed)])
    expected = -(weight / weight.sum() * summed.mean(dim=1)).sum().float()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_labels_that_a_cell_may_have_are_raised_alike() -> None:
    """Which of them is right a cell does not tell, not even by being taken for one of them."""
    log_prob = torch.log_softmax(torch.tensor([[[3.0, 0.0, 1.0, 2.0]]] * 2), dim=2)
    logits = log_prob.clone().requires_grad_()
    possible = torch.tensor([[True, True, False, False]])
    found = log_prob_of_any(torch.log_softmax(logits, dim=2), possible)
    torch.testing.assert_close(found, log_prob[:, :, :2].logsumexp(2))
    found.sum().backward()
    grad = logits.grad
    assert grad is not None
    torch.testing.assert_close(grad[..., 0], grad[..., 1])
    assert (grad[..., :2] > 0).all()
    assert (grad[..., 2:] < 0).all()


def test_known_labels_have_the_loss_of_those_that_may_be_one_alone() -> None:
    counts, batch = _cells(4)
    labels, weight = torch.tensor([0, 2, -1, 1]), torch.ones(3)
    possible = torch.cat([torch.eye(3), torch.ones(1, 3)]).bool()[labels]
    grads = []
    for how in (None, possible):
        model = _model().eval()
        _losses(model, counts, batch, labels, weight, how).label.backward()
        grads.append(model.encoder.tail.head.weight.grad)
    torch.testing.assert_close(*grads)


def test_unlabelled_cells_do_not_move_the_label_head() -> None:
    model = _model()
    _label_loss(model, [-1] * 5).backward()
    for part in (model.encoder.tail.skip, *model.encoder.tail.tower):
        for parameter in part.parameters():
            assert parameter.grad is not None
            assert not parameter.grad.any()


def test_all_unlabelled_loss_is_zero_and_finite() -> None:
    assert _label_loss(_model(), [-1, -1]).item() == 0


def test_model_without_labels() -> None:
    model = _model(labels=0)
    counts, batch = _cells()
    losses = _losses(model, counts, batch, torch.full((7,), -1), torch.ones(0))
    assert losses.label.item() == 0
    sum(losses).backward()
    assert model.encoder(counts).logits.shape == (7, 0)


def test_kl_is_that_of_torch_distributions() -> None:
    model = _model().eval()
    counts, batch = _cells()
    losses = _losses(model, counts, batch, torch.zeros(7, dtype=torch.long), torch.ones(LABELS))
    encoded = model.encoder(counts)
    posterior = torch.distributions.Normal(encoded.mean, (0.5 * encoded.log_variance).exp())
    kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(losses.kl, kl.sum(1).mean())


@pytest.mark.parametrize("likelihood", ["nb", "zinb"])
def test_decoder_mean_sums_to_the_library(likelihood: Likelihood) -> None:
    model = _model(likelihood)
    library = torch.tensor([[10.0], [2000.0]])
    mean, dropout_logit = model.decoder(torch.randn(2, 4), torch.eye(BATCHES), library)
    torch.testing.assert_close(mean.sum(1, keepdim=True), library)
    assert (dropout_logit is not None) == (likelihood == "zinb")


@pytest.mark.parametrize("likelihood", ["nb", "zinb"])
def test_every_parameter_learns(likelihood: Likelihood) -> None:
    model = _model(likelihood)
    counts, batch = _cells()
    losses = _losses(model, counts, batch, torch.arange(7) % LABELS, torch.ones(LABELS))
    sum(losses).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_encoder_cannot_see_the_batch() -> None:
    model = _model().eval()
    counts, batch = _cells()
    labels, weight = torch.zeros(7, dtype=torch.long), torch.ones(LABELS)
    torch.manual_seed(0)
    one = _losses(model, counts, batch, labels, weight)
    torch.manual_seed(0)
    other = _losses(model, counts, batch.flip(1), labels, weight)
    assert torch.equal(one.kl, other.kl)
    assert torch.equal(one.label, other.label)
    assert not torch.equal(one.reconstruction, other.reconstruction)


@pytest.mark.parametrize("likelihood", ["nb", "zinb"])
@pytest.mark.parametrize("cut", [1, 3, 6])
def test_shares_of_a_minibatch_add_up_to_it(likelihood: Likelihood, cut: int) -> None:
    """With dropout and noise: losses and gradients do not depend on who has which cells."""
    model = _model(likelihood).train()
    counts, batch = _cells()
    labels, weight = torch.tensor([0, -1, 2, 1, -1, 2, 0]), torch.tensor([0.5, 2.0, 1.0])
    of_cell = cell_weights(labels, weight)

    def run(shares: list[Share | None]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        model.zero_grad()
        parts = []
        for share in shares:
            rows = slice(None) if share is None else slice(share.start, share.stop)
            torch.manual_seed(5)
            of_counts = _features(model, counts[rows]), _sparse(counts[rows])
            cells = (*of_counts, batch[rows], labels[rows], of_cell[rows])
            parts.append(torch.stack(model(*cells, share)))
        total = torch.stack(parts).sum(0)
        total.sum().backward()
        return total.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]

    whole, gradient = run([None])
    shared, sum_of_gradients = run([Share(0, cut, 7), Share(cut, 7, 7)])
    torch.testing.assert_close(shared, whole)
    for one, other in zip(gradient, sum_of_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
