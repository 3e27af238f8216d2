from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellport.runtime.base.names import joinable
from cellport.runtime.errors import AtlasError, InputError, MissingDependencyError
from cellport.runtime.mapping.annotate.neighbors import open_index, prepare, reference_names
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
    latent = tiny_atlas.array("reference_latent")
    position, distance = open_index(tiny_atlas).search(latent, 3, 1, None)
    np.testing.assert_array_equal(distance[:, 0], 0)
    same = np.all(latent[position[:, 0]] == latent, axis=1)
    assert same.all()


def test_cells_get_the_names_and_labels_of_their_neighbours(small_atlas: Any, made: Any) -> None:
    latent = np.arange(14, dtype=np.float32).reshape(7, 2)
    label = np.array([0, 1, -1, 0, 1, -1, 0], np.int32)
    atlas = small_atlas({"reference_latent": latent, "reference_label": label})
    found = prepare(made.setting(atlas, neighbors=2))
    values = found.annotate(made.cells([100, 100], latent=[latent[0] - 1, latent[5] + 0.1]))
    assert values["cellport_neighbors"].tolist() == ["a;b", "f;g"]
    assert values["cellport_neighbor_labels"].tolist() == ["B cell;T cell", ";B cell"]
    expected = np.sqrt([[2, 18], [0.02, 2 * 1.9**2]])
    np.testing.assert_allclose(values["cellport_neighbor_distance"], expected, rtol=1e-4)


def test_cells_without_ids_are_numbered(small_atlas: Any) -> None:
    assert reference_names(small_atlas()).tolist() == list("abcdefg")
    wrong = small_atlas({"reference_names": np.frombuffer(b"a\nb", np.uint8)})
    with pytest.raises(AtlasError, match="names 2 of 7 reference cells"):
        reference_names(wrong)
    with pytest.raises(AtlasError, match="names 2 of 7 reference cells"):
        open_index(wrong)
    reference = _Reference({"reference_latent": np.zeros((3, 2), np.float32)})
    assert reference_names(reference).tolist() == ["0", "1", "2"]  # type: ignore[arg-type]


@pytest.mark.parametrize("names", ["a\nb\nc", "\nzwölf;\n", None])
def test_names_are_read_where_they_stand(names: str | None) -> None:
    arrays = {"reference_latent": np.eye(3, dtype="f4"), "reference_label": np.zeros(3, np.int32)}
    if names is not None:
        arrays["reference_names"] = np.frombuffer(names.encode(), np.uint8)
    reference = _Reference(arrays)
    known = [*(joinable(one) for one in reference_names(reference)), ""]  # type: ignore[arg-type]
    position = np.array([[2, -1, 0], [1, 1, 2]])
    found = open_index(reference).names(position)  # type: ignore[arg-type]
    assert found.tolist() == [[known[at] for at in row] for row in position.tolist()]


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


@pytest.mark.parametrize("k", [-1, 8])
def test_an_impossible_number_is_refused(small_atlas: Any, made: Any, k: int) -> None:
    with pytest.raises(InputError, match=f"--neighbors must be from 1 to 7, .* not {k}"):
        prepare(made.setting(small_atlas(), neighbors=k))


def test_index_of_a_large_reference_finds_what_exact_search_finds() -> None:
    pytest.importorskip("faiss")
    reference = _large()
    query = reference.array("reference_latent")[:300] + 0.1
    index = open_index(reference)  # type: ignore[arg-type]
    position, distance = index.search(query, 10, 2, None)
    without = {k: v for k, v in reference.arrays.items() if k != "neighbor_centroids"}
    exact = open_index(_Reference(without))  # type: ignore[arg-type]
    true_position, true_distance = exact.search(query, 10, 2, None)
    recall = np.mean([len({*a} & {*b}) / 10 for a, b in zip(position, true_position, strict=True)])
    assert recall > 0.95
    np.testing.assert_allclose(distance[:, 0], true_distance[:, 0], rtol=1e-3)
    import faiss

    # with BLAS, distances would depend on how many cells are searched at a time
    assert faiss.cvar.distance_compute_blas_threshold == np.iinfo(np.int32).max
    one_by_one = [index.search(query[i : i + 1], 10, 1, None)[1] for i in range(3)]
    np.testing.assert_array_equal(np.concatenate(one_by_one), distance[:3])


def test_large_reference_without_faiss_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingDependencyError, match=r"cellport\[neighbors\]"):
        open_index(_large())  # type: ignore[arg-type]


def test_an_atlas_without_reference_cells_is_refused(
    small_atlas: Any, made: Any, forgery: Any
) -> None:
    head = replace(forgery.manifest().head, set_prob=())
    bare = small_atlas(answers=("latent", "label_prob"), head=head, batches=(), structure=None)
    assert prepare(made.setting(bare)) is None
    with pytest.raises(InputError, match="'small' has no reference cells to find neighbours"):
        prepare(made.setting(bare, neighbors=1))
