"""Tests of the clusters of a reference."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cellport.train.structure import clusters
from cellport.train.structure.clusters import leiden, shared_neighbors


def _islands(n_cells: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    island = rng.choice(4, n_cells, p=[0.55, 0.25, 0.15, 0.05])
    centre = 5 * np.eye(10)[:4]
    return (centre[island] + rng.normal(size=(n_cells, 10))).astype(np.float32), island


def test_neighbours_weigh_what_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_FEWEST_NEIGHBORS", 2)
    monkeypatch.setattr(clusters, "_CHUNK", 2)
    latent = np.array([[0.0], [1.0], [2.1], [10.0], [11.0], [12.1]], np.float32)
    graph = shared_neighbors(latent)
    # each cell and its two neighbours are one side, so all is shared
    assert sorted(zip(graph.row.tolist(), graph.col.tolist(), strict=True)) == [
        (0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5),
    ]  # fmt: skip
    np.testing.assert_array_equal(graph.data, 1.0)


def test_weights_are_the_jaccard_index_of_neighbourhoods() -> None:
    latent, _ = _islands(120)
    graph = shared_neighbors(latent)
    apart = np.linalg.norm(latent[:, None] - latent[None], axis=2)
    around = [set(row[:16].tolist()) for row in np.argsort(apart, axis=1)]
    pairs = {(i, j): w for i, j, w in zip(graph.row, graph.col, graph.data, strict=True)}
    wanted = {
        (i, j): len(around[i] & around[j]) / len(around[i] | around[j])
        for i in range(120)
        for j in range(i + 1, 120)
        if i in around[j] or j in around[i]
    }
    assert pairs == pytest.approx(wanted)


@pytest.mark.parametrize("n_cells", [300, 1500, 6000])
def test_islands_are_found_however_many_cells_they_have(n_cells: int) -> None:
    latent, island = _islands(n_cells)
    found = leiden(latent, 0, 0.1)
    assert found.max() == 3
    assert (found == island).mean() > 0.98, "largest first, as the islands are numbered"


@pytest.mark.parametrize("n_cells", [3, 4, 17])
def test_few_cells_are_clustered(n_cells: int) -> None:
    found = leiden(_islands(n_cells)[0], 0, 0.1)
    assert found.shape == (n_cells,)
    assert found.min() == 0


def test_the_same_seed_gives_the_same_clusters() -> None:
    latent, _ = _islands(500)
    np.testing.assert_array_equal(leiden(latent, 3, 0.1), leiden(latent, 3, 0.1))
