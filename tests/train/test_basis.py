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
from cellport.train.basis import fit_basis
from cellport.train.fit import TrainingCells
from cellport.train.normaliser import fit_normaliser

GENES, TYPES = 60, 3


def _cells(n: int = 400, seed: int = 0) -> TrainingCells:
    profile = np.random.default_rng(7).gamma(0.5, 1.0, (TYPES, GENES))
    rng = np.random.default_rng(seed)
    label = rng.choice(TYPES, n, p=[0.6, 0.3, 0.1])
    size = rng.lognormal(1.0, 0.4, (n, 1))
    counts = sp.csr_matrix(rng.poisson(profile[label] * size).astype(np.float32))
    nobody = np.empty(0, np.int64)
    return TrainingCells(counts, label.astype(np.int64), np.zeros(n, np.int64), TYPES, 1, nobody)


def _standardised(normaliser: PanelNormaliser, cells: TrainingCells) -> NDArray[np.float64]:
    values, _ = normaliser(torch.from_numpy(cells.counts[:].toarray()))
    return (values / normaliser.sd).numpy().astype(np.float64)


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
    values = _standardised(normaliser, cells)
    found = values @ fit_basis(normaliser, cells).numpy()[:, : loading.shape[1]]
    np.testing.assert_allclose(_along(found, peer.transform(values)), 1, atol=1e-5)


def test_then_a_discriminant_for_each_label() -> None:
    cells = _cells()
    normaliser = fit_normaliser(cells.counts)
    loading, noise = _units(normaliser)
    values = _standardised(normaliser, cells)
    means = np.stack([values[cells.label == code].mean(axis=0) for code in range(TYPES)], axis=1)
    expected = np.linalg.solve(loading @ loading.T + np.diag(5 * noise), means)
    basis = fit_basis(normaliser, cells).numpy()
    assert basis.shape == (GENES, loading.shape[1] + TYPES)
    np.testing.assert_allclose(_along(basis[:, -TYPES:], expected), 1, atol=1e-5)


def test_labels_are_told_apart_by_the_discriminants() -> None:
    cells, query = _cells(), _cells(seed=1)
    normaliser = fit_normaliser(cells.counts)
    basis = fit_basis(normaliser, cells).numpy()[:, -TYPES:]
    known, new = (_standardised(normaliser, some) @ basis for some in (cells, query))
    judge = LinearDiscriminantAnalysis().fit(known, cells.label)
    assert judge.score(new, query.label) > 0.95


def test_features_have_about_unit_variance() -> None:
    cells = _cells(2000)
    normaliser = fit_normaliser(cells.counts)
    features = _standardised(normaliser, cells) @ fit_basis(normaliser, cells).numpy()
    assert 0.8 < features.std(axis=0).min() <= features.std(axis=0).max() < 1.6
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=0.05)


def test_held_out_cells_are_not_looked_at() -> None:
    cells = replace(_cells(), held_out=np.arange(0, 400, 4))
    normaliser = fit_normaliser(cells.counts)
    other = replace(cells, label=cells.label.copy())
    other.label[cells.held_out] = 0
    assert torch.equal(fit_basis(normaliser, cells), fit_basis(normaliser, other))
    other.label[1::4] = 0
    assert not torch.equal(fit_basis(normaliser, cells), fit_basis(normaliser, other))


@pytest.mark.parametrize("known", [(), (1,)])
def test_without_two_labels_there_is_nothing_to_tell_apart(known: tuple[int, ...]) -> None:
    cells = _cells()
    cells = replace(cells, label=np.where(np.isin(cells.label, known), cells.label, -1))
    basis = fit_basis(fit_normaliser(cells.counts), cells)
    assert not basis[:, -TYPES:].any()
    assert basis[:, :-TYPES].any(dim=0).all()


def test_a_label_without_cells_has_an_empty_discriminant() -> None:
    cells = replace(_cells(), n_labels=TYPES + 1)
    basis = fit_basis(fit_normaliser(cells.counts), cells)
    assert not basis[:, -1].any()
    assert basis[:, -TYPES - 1 : -1].any(dim=0).all()


def test_a_reference_whose_cells_are_all_the_same() -> None:
    counts = sp.csr_matrix(np.ones((30, 12), np.float32))
    cells = TrainingCells(
        counts, np.arange(30) % 2, np.zeros(30, np.int64), 2, 1, np.empty(0, np.int64)
    )
    assert torch.isfinite(fit_basis(fit_normaliser(counts), cells)).all()
