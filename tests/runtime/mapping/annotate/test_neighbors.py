from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellport.runtime.errors import InputError, MissingDependencyError
from cellport.runtime.mapping.annotate.neighbors import open_neighbors, reference_names
from cellport.runtime.mapping.atlas import Atlas
from cellport.train.export.centroids import neighbor_centroids


@dataclass(frozen=True)
class _Manifest:
    labels: tuple[str, ...] = ("A", "B")


@dataclass(frozen=True)
class _Reference:
    """As much of an atlas as neighbours need."""

    arrays: dict[str, NDArray[Any]]
    manifest: _Manifest = field(default_factory=_Manifest)
    path: Path = Path("large.cellport")

    def array(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def has_array(self, name: str) -> bool:
        return name in self.arrays


def _large(n_cells: int = 20_000) -> _Reference:
    rng = np.random.default_rng(0)
    centre = rng.normal(0, 3, (12, 8))
    latent = (centre[rng.integers(0, 12, n_cells)] + rng.normal(size=(n_cells, 8))).astype("f4")
    return _Reference(
        {
            "reference_latent": latent,
            "reference_label": rng.integers(-1, 2, n_cells).astype(np.int32),
            "neighbor_centroids": neighbor_centroids(latent, 0),
        }
    )


def test_a_reference_cell_is_its_own_nearest_neighbour(tiny_atlas: Any) -> None:
    neighbors = open_neighbors(tiny_atlas, 3)
    latent = tiny_atlas.array("reference_latent")
    position, distance = neighbors.search(latent, 1, None)
    np.testing.assert_array_equal(distance[:, 0], 0)
    same = np.all(latent[position[:, 0]] == latent, axis=1)
    assert same.all()


def test_mapping_names_neighbours_with_their_labels(tiny_atlas: Any, tiny_cells: Any) -> None:
    query = (tiny_cells.counts, tiny_cells.symbols)
    atlas = Atlas(tiny_atlas)
    mapping = atlas.map(query, neighbors=4)
    names = list(reference_names(tiny_atlas))
    codes = tiny_atlas.array("reference_label")
    labels = (*tiny_atlas.manifest.labels, "")
    first = mapping["cellport_neighbors"][0].split(";")
    assert len(first) == 4
    expected = ";".join(labels[codes[names.index(name)]] for name in first)
    assert mapping["cellport_neighbor_labels"][0] == expected
    assert mapping["cellport_neighbor_distance"].shape == (mapping.n_cells, 4)
    assert (np.diff(mapping["cellport_neighbor_distance"], axis=1) >= 0).all()
    small = atlas.map(query, neighbors=4, block_cells=7, threads=1)
    for name in ("cellport_neighbors", "cellport_neighbor_distance"):
        np.testing.assert_array_equal(mapping[name], small[name])


def test_nothing_is_searched_unless_asked(tiny_atlas: Any, tiny_cells: Any) -> None:
    mapping = Atlas(tiny_atlas).map((tiny_cells.counts, tiny_cells.symbols))
    assert not any("neighbor" in name for name in (*mapping.obs, *mapping.obsm))


@pytest.mark.parametrize("k", [-1, 10_000_000])
def test_impossible_number_is_refused(tiny_atlas: Any, k: int) -> None:
    with pytest.raises(InputError, match="--neighbors must be from 1"):
        open_neighbors(tiny_atlas, k)


def test_index_of_a_large_reference_finds_what_exact_search_finds() -> None:
    pytest.importorskip("faiss")
    reference = _large()
    query = reference.array("reference_latent")[:300] + 0.1
    position, distance = open_neighbors(reference, 10).search(query, 2, None)  # type: ignore[arg-type]
    without = {k: v for k, v in reference.arrays.items() if k != "neighbor_centroids"}
    exact = open_neighbors(_Reference(without), 10)  # type: ignore[arg-type]
    true_position, true_distance = exact.search(query, 2, None)
    recall = np.mean([len({*a} & {*b}) / 10 for a, b in zip(position, true_position, strict=True)])
    assert recall > 0.95
    np.testing.assert_allclose(distance[:, 0], true_distance[:, 0], rtol=1e-3)
    one_by_one = [
        open_neighbors(reference, 10).search(query[i : i + 1], 1, None)[1]
        for i in range(3)  # type: ignore[arg-type]
    ]
    np.testing.assert_array_equal(np.concatenate(one_by_one), distance[:3])


def test_large_reference_without_faiss_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingDependencyError, match=r"cellport\[neighbors\]"):
        open_neighbors(_large(), 5)  # type: ignore[arg-type]
