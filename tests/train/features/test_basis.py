from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.decomposition import FactorAnalysis
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from cellport.models.normalise import PanelNormaliser
from cellport.train.cells import TrainingCells
from cellport.train.features import basis as module
from cellport.train.features.basis import fit_basis
from cellport.train.features.normaliser import fit_normaliser

GENES, TYPES = 60, 3


def _cells(n: int = 400, seed: int = 0, size: float = 1.0) -> TrainingCells:
    profile = np.random.default_rng(7).gamma(0.5, 1.0, (TYPES, GENES))
    rng = np.random.default_rng(seed)
    label = rng.choice(TYPES, n, p=[0.6, 0.3, 0.1])
    sizes = size * rng.lognormal(1.0, 0.4, (n, 1))
    counts = sp.csr_matrix(rng.poisson(profile[label] * sizes).astype(np.float32))
    nobody = np.empty(0, np.int64)
    return TrainingCells(counts, label.astype(np.int64), np.zeros(n, np.int64), TYPES, 1, nobody)


def _thinned(cells: TrainingCells, depth: int, rng: np.random.Generator) -> TrainingCells:
    counts = cells.counts[:].copy()
    library = np.asarray(counts.sum(axis=1)).ravel()
    kept = np.repeat(np.minimum(depth / library, 1), np.diff(counts.indptr))
    counts.data = rng.binomial(counts.data.astype(int), kept).astype(np.float32)
    return replace(cells, counts=counts)


def _discriminants(cells: TrainingCells) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights of the discriminants of whole cells, and of shallow ones."""
    layout, weights = fit_basis(fit_normaliser(cells.counts), cells)
    return weights[:, layout.discriminants], weights[:, layout.shallow_discriminants]


def _centred(normaliser: PanelNormaliser, cells: TrainingCells) -> NDArray[np.float64]:
    values, _ = normaliser(torch.from_numpy(cells.counts[:].toarray()))
    centred: NDArray[np.float64] = values.numpy().astype(np.float64)
    return centred


def _units(normaliser: PanelNormaliser) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sd = normaliser.sd.numpy().astype(np.float64)
    return normaliser.loading.numpy() / sd[:, None], normaliser.noise.numpy() / sd**2


def _along(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine of the angle between columns."""
    size = np.linalg.norm(one, axis=0) * np.linalg.norm(other, axis=0)
    cosine: NDArray[np.float64] = (one * other).sum(axis=0) / size
    return cosine


def test_first_come_the_scores_of_the_factor_model() -> None:
    cells = _cells()
    normaliser = fit_normaliser(cells.counts)
    loading, noise = _units(normaliser)
    peer = FactorAnalysis(loading.shape[1])
    peer.components_, peer.noise_variance_, peer.mean_ = loading.T, noise, np.zeros(GENES)
    values = _centred(normaliser, cells)
    layout, weights = fit_basis(normaliser, cells)
    assert layout.scores == slice(0, loading.shape[1])
    found = values @ weights.numpy()[:, layout.scores]
    expected = peer.transform(values / normaliser.sd.numpy())
    np.testing.assert_allclose(_along(found, expected), 1, atol=1e-5)


def test_then_a_discriminant_for_each_label() -> None:
    cells = _cells()
    normaliser = fit_normaliser(cells.counts)
    loading, noise = _units(normaliser)
    sd = normaliser.sd.numpy()[:, np.newaxis]
    values = _centred(normaliser, cells) / sd.T
    means = np.stack([values[cells.label == code].mean(axis=0) for code in range(TYPES)], axis=1)
    expected = np.linalg.solve(loading @ loading.T + np.diag(5 * noise), means) / sd
    of_whole, _ = _discriminants(cells)
    np.testing.assert_allclose(_along(of_whole.numpy(), expected), 1, atol=1e-5)


def test_then_both_again_of_cells_thinned_to_300_counts() -> None:
    cells = _cells(size=20.0)
    assert np.median(np.asarray(cells.counts[:].sum(axis=1))) > 1000
    thinned = _thinned(cells, 300, np.random.default_rng(5))
    of_whole, found = (weights.numpy() for weights in _discriminants(cells))
    of_thinned, _ = (weights.numpy() for weights in _discriminants(thinned))
    # another draw, and so alike and not the same
    assert (_along(found, of_thinned) > 0.95).all()
    assert (_along(found, of_thinned) > _along(found, of_whole)).all()


def test_shallow_cells_are_told_apart_by_their_own_discriminants() -> None:
    cells, query = (_cells(600, seed, size=20.0) for seed in (0, 1))
    normaliser = fit_normaliser(cells.counts)
    rng, right = np.random.default_rng(2), []
    poor = [_centred(normaliser, _thinned(one, 20, rng)) for one in (cells, query)]
    for weights in _discriminants(cells):
        known, new = (values @ weights.numpy() for values in poor)
        judge = LinearDiscriminantAnalysis().fit(known, cells.label)
        right.append(judge.score(new, query.label))
    assert right[1] > max(right[0], 0.7)


def test_labels_are_told_apart_by_the_discriminants() -> None:
    cells, query = _cells(), _cells(seed=1)
    normaliser = fit_normaliser(cells.counts)
    for weights in _discriminants(cells):
        known, new = (_centred(normaliser, some) @ weights.numpy() for some in (cells, query))
        judge = LinearDiscriminantAnalysis().fit(known, cells.label)
        assert judge.score(new, query.label) > 0.95


def test_features_have_about_unit_variance() -> None:
    cells = _cells(2000)
    normaliser = fit_normaliser(cells.counts)
    features = _centred(normaliser, cells) @ fit_basis(normaliser, cells).weights.numpy()
    assert 0.8 < features.std(axis=0).min() <= features.std(axis=0).max() < 1.6
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=0.05)


def test_labels_of_held_out_cells_are_not_looked_at() -> None:
    cells = replace(_cells(), held_out=np.arange(0, 400, 4))
    normaliser = fit_normaliser(cells.counts)
    other = replace(cells, label=cells.label.copy())
    other.label[cells.held_out] = 0
    weights = fit_basis(normaliser, cells).weights
    assert torch.equal(weights, fit_basis(normaliser, other).weights)
    other.label[1::4] = 0
    assert not torch.equal(weights, fit_basis(normaliser, other).weights)


@pytest.mark.parametrize("known", [(), (1,)])
def test_without_two_labels_there_is_nothing_to_tell_apart(known: tuple[int, ...]) -> None:
    cells = _cells()
    cells = replace(cells, label=np.where(np.isin(cells.label, known), cells.label, -1))
    layout, basis = fit_basis(fit_normaliser(cells.counts), cells)
    for weights in _discriminants(cells):
        assert not weights.any()
    assert basis[:, layout.scores].any(dim=0).all()


def test_a_label_without_cells_has_empty_discriminants() -> None:
    cells = replace(_cells(), n_labels=TYPES + 1)
    for weights in _discriminants(cells):
        assert not weights[:, -1].any()
        assert weights[:, :-1].any(dim=0).all()


def test_of_a_large_reference_some_cells_of_each_label_are_thinned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_SHALLOW", 50)
    cells = _cells()
    _, of_shallow = _discriminants(cells)
    assert of_shallow.any(dim=0).all()
    _, again = _discriminants(cells)
    assert torch.equal(again, of_shallow)


def test_a_reference_whose_cells_are_all_the_same() -> None:
    counts = sp.csr_matrix(np.ones((30, 12), np.float32))
    cells = TrainingCells(
        counts, np.arange(30) % 2, np.zeros(30, np.int64), 2, 1, np.empty(0, np.int64)
    )
    assert torch.isfinite(fit_basis(fit_normaliser(counts), cells).weights).all()
