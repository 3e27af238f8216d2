from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from cellport.train.cells import TrainingCells
from cellport.train.degrade import Degradation
from cellport.train.infer import Fitted
from cellport.train.umap import (
    UmapConfig,
    fit_layout,
    layout_trust,
    learn_layout,
    neighbor_graph,
    place,
)


def _clusters(n_cells: int, seed: int = 0, width: float = 0.3) -> tuple[NDArray, NDArray]:
    """Six clusters in ten dimensions, and which cell is in which."""
    centre = np.random.default_rng(7).normal(0, 2, (6, 10))
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, 6, n_cells)
    latent = centre[cluster] + width * rng.normal(size=(n_cells, 10))
    return latent.astype(np.float32), cluster


def test_unseen_cells_keep_their_neighbours() -> None:
    latent, cluster = _clusters(300)
    network = fit_layout(latent, latent, seed=0)
    unseen, truth = _clusters(300, seed=1)
    placed = place(network, unseen)
    assert placed.shape == (300, 2)
    assert placed.dtype == np.float32
    assert trustworthiness(unseen, placed, n_neighbors=15) > 0.93
    here = place(network, latent)
    distance = np.linalg.norm(placed[:, None] - here[None], axis=2)
    assert (cluster[distance.argmin(axis=1)] == truth).mean() > 0.98


def test_follows_a_curve_without_tearing_it() -> None:
    """A spiral in space: consecutive cells stay side by side."""
    t = np.sort(np.random.default_rng(0).uniform(0, 1, 300))
    turn = 3 * np.pi * t
    curve = np.stack([t * np.cos(turn), t * np.sin(turn), t], axis=1) * 4
    latent = curve.astype(np.float32)
    placed = place(fit_layout(latent, latent, seed=0), latent)
    step = np.linalg.norm(np.diff(placed, axis=0), axis=1)
    assert step.max() < 0.2 * np.ptp(placed, axis=0).max()


def test_degraded_cells_land_where_whole_ones_do() -> None:
    """Degrading moves cells along a direction that means nothing; the map learns to drop it."""
    latent, _ = _clusters(200)
    rng = np.random.default_rng(3)
    latent = np.concatenate([latent, np.zeros((200, 1), np.float32)], axis=1)

    def degrade(rows: int) -> NDArray[np.float32]:
        moved = np.zeros((rows, 11), np.float32)
        moved[:, -1] = rng.uniform(0, 4, rows)
        return moved

    knowing = fit_layout(latent, latent + degrade(200), seed=0)
    # one moved cell, so that the border of the map is as far away
    blind = fit_layout(latent, np.concatenate([latent[:-1], latent[-1:] + 4]), seed=0)
    poor = latent + degrade(200)
    moved = {
        name: np.median(
            np.linalg.norm(place(network, poor) - place(network, latent), axis=1)
            / place(network, latent).std()
        )
        for name, network in (("knowing", knowing), ("blind", blind))
    }
    assert moved["knowing"] < 0.5 * moved["blind"]


@pytest.mark.parametrize("n_cells", [3, 5, 20])
def test_tiny_references(n_cells: int) -> None:
    latent, _ = _clusters(n_cells)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        placed = place(fit_layout(latent, latent, seed=0), latent)
    assert np.isfinite(placed).all()
    assert len(np.unique(placed, axis=0)) == n_cells


@pytest.mark.parametrize("value", [0.0, -3.5])
def test_cells_that_are_all_the_same(value: float) -> None:
    latent = np.full((40, 5), value, np.float32)
    assert np.isfinite(place(fit_layout(latent, latent, seed=0), latent)).all()


def test_same_seed_same_map() -> None:
    latent, _ = _clusters(60)
    one, other, third = (place(fit_layout(latent, latent, seed), latent) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, other)
    assert np.abs(one - third).max() > 0.1


class _Encoded(NamedTuple):
    mean: torch.Tensor
    logits: torch.Tensor


@pytest.fixture
def halving(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A model whose latent is half of the counts, which are its features."""
    monkeypatch.setattr(
        "cellport.train.infer.FeatureMaker",
        lambda encoder: lambda counts, measured=None: counts.toarray(),
    )
    return SimpleNamespace(
        encoder=SimpleNamespace(tail=lambda values: _Encoded(values / 2, values[:, :0]))
    )


def _cells(n_cells: int, held_out: int) -> TrainingCells:
    counts = np.random.default_rng(0).poisson(5, (n_cells, 10)).astype(np.float32)
    code = np.zeros(n_cells, np.int64)
    return TrainingCells(sp.csr_matrix(counts), code, code, 0, 1, np.arange(held_out))


@pytest.mark.parametrize(("most", "trained"), [(150, 150), (20_000, 160)])
def test_map_learns_from_a_sample_without_the_held_out_cells(
    halving: Any, monkeypatch: pytest.MonkeyPatch, most: int, trained: int
) -> None:
    seen: list[NDArray] = []
    monkeypatch.setattr(
        "cellport.train.umap.neighbor_graph",
        lambda latent: seen.append(latent) or neighbor_graph(latent),
    )
    cells = _cells(200, held_out=40)
    latent = cells.counts.toarray() / 2
    fitted = Fitted(halving, cells, latent, 0)
    network, scores = learn_layout(fitted, Degradation(), UmapConfig(most_cells=most))
    (graphed,) = seen
    assert len(graphed) == trained
    held_out = {row.tobytes() for row in latent[:40]}
    assert not held_out & {row.tobytes() for row in graphed}
    assert scores == layout_trust(latent[:40], place(network, latent[:40]), 0)
    assert scores["cells"] == 40


def test_map_sees_degraded_cells(halving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[NDArray] = []
    monkeypatch.setattr(
        "cellport.train.umap.fit_layout",
        lambda latent, degraded, *how: seen.append(degraded) or fit_layout(latent, latent, *how),
    )
    cells = _cells(100, held_out=0)
    latent = cells.counts.toarray() / 2
    _, scores = learn_layout(Fitted(halving, cells, latent, 0), Degradation())
    (degraded,) = seen
    assert degraded.shape == latent.shape
    assert degraded.sum() < 0.9 * latent.sum()
    assert scores == {"cells": 0}


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(1, 4), st.integers(0, 99), st.booleans())
def test_graph_is_symmetric_and_everyone_has_a_sure_neighbour(
    n_cells: int, width: int, seed: int, coarse: bool
) -> None:
    latent = np.random.default_rng(seed).normal(size=(n_cells, width)).astype(np.float32)
    if coarse:  # with cells in the same place
        latent = latent.round()
    graph = neighbor_graph(latent).toarray()
    np.testing.assert_allclose(graph, graph.T, atol=1e-12)
    assert (graph >= 0).all()
    assert (graph <= 1 + 1e-12).all()
    assert not graph.diagonal().any()
    # each cell's nearest neighbour has weight 1
    np.testing.assert_allclose(graph.max(axis=1), 1)


def test_trust_is_high_for_the_truth_and_low_for_noise() -> None:
    latent = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    noise = np.random.default_rng(1).normal(size=(3000, 2)).astype(np.float32)
    assert layout_trust(latent, latent, 0) == {"cells": 2000, "trustworthiness": 1.0}
    assert layout_trust(latent, noise, 0)["trustworthiness"] < 0.6
    assert layout_trust(latent[:30], noise[:30], 0) == {"cells": 30}
