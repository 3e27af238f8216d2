from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.file import AtlasFile, Manifest
from cellport.runtime.atlas.novelty_table import NoveltyTable
from cellport.runtime.columns import MappedBlock
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.encode import Answers
from cellport.runtime.mapping.transfer import QC, UNKNOWN, result_schema, transfer_block

PROB = np.array(
    [[0.9, 0.05, 0.05], [0.2, 0.5, 0.3], [0.26, 0.25, 0.49], [0.0, 0.0, 1.0]], np.float32
)

TABLE = NoveltyTable(
    p=np.array([1, 0.5, 0.01], np.float32),
    share=np.array([1], np.float32),
    depth=np.array([[5]], np.float32),
    score=np.array([[[0, 1, 2]]], np.float32),
)


@pytest.fixture
def manifest(tiny_atlas: AtlasFile) -> Manifest:
    thresholds = {
        "call_prob": 0.5, "low_depth": 100.0, "low_gene_coverage": 0.6, "novelty_p": 0.05
    }  # fmt: skip
    return replace(
        tiny_atlas.manifest,
        thresholds=thresholds,
        parents={},
        set_prob=(0.05, 0.25, 0.3),
        training={},
    )


def _answers(
    library: list[float],
    prob: np.ndarray | None = PROB,
    width: int = 8,
    scores: int | None = None,
    place: int = 2,
) -> Answers:
    n = len(library)
    by_name = {
        "latent": np.arange(n * width, dtype=np.float32).reshape(n, width),
        "novelty_score": np.arange(n if scores is None else scores, dtype=np.float32),
    }
    by_name["umap"] = by_name["latent"][:, 1 : 1 + place]
    if prob is not None:
        by_name["label_prob"] = prob
    return Answers(by_name, np.array(library))


def _transfer(answers: Answers, manifest: Manifest, share: float = 1.0) -> MappedBlock:
    names = np.array([f"c{i}" for i in range(len(answers.library))], object)
    return transfer_block(5, names, answers, manifest, share, TABLE)


def _words(block: MappedBlock, manifest: Manifest, name: str) -> list[str]:
    column = next(c for c in result_schema(manifest).columns if c.name == name)
    return [column.categories[code] for code in block.obs[name]]


def test_labels_calls_and_quality(manifest: Manifest) -> None:
    block = _transfer(_answers([100, 5000, 99.5, 0]), manifest)
    assert _words(block, manifest, "cellport_label") == ["alpha", "beta", "gamma", UNKNOWN]
    assert _words(block, manifest, "cellport_call") == ["alpha", "beta", UNKNOWN, UNKNOWN]
    assert _words(block, manifest, "cellport_qc") == ["ok", "ok", "low_depth", "empty"]
    np.testing.assert_array_equal(block.obs["cellport_prob"], np.float32([0.9, 0.5, 0.49, 0]))
    assert block.start == 5
    assert list(block.cell_names) == ["c0", "c1", "c2", "c3"]


def test_empty_cell_is_unknown_however_sure_the_network_is(manifest: Manifest) -> None:
    for call_prob in (0.0, 0.5):
        sure = replace(manifest, thresholds={**manifest.thresholds, "call_prob": call_prob})
        block = _transfer(_answers([0, 0, 0, 0]), sure, share=0.1)
        for name in ("cellport_label", "cellport_call"):
            assert set(_words(block, sure, name)) == {UNKNOWN}
        assert set(_words(block, sure, "cellport_qc")) == {"empty"}
        assert not block.obs["cellport_prob"].any()
        assert np.isfinite(block.obsm["X_cellport"]).all()


@pytest.mark.parametrize(("call_prob", "unknown"), [(0.0, 0), (0.5, 1), (0.51, 2), (1.0, 3)])
def test_calls_honour_the_atlas_s_threshold(
    manifest: Manifest, call_prob: float, unknown: int
) -> None:
    strict = replace(manifest, thresholds={**manifest.thresholds, "call_prob": call_prob})
    block = _transfer(_answers([1000.0] * 4), strict)
    assert _words(block, strict, "cellport_call").count(UNKNOWN) == unknown
    assert UNKNOWN not in _words(block, strict, "cellport_label")


def test_a_call_backs_off_along_the_tree(manifest: Manifest) -> None:
    tree = replace(
        manifest,
        parents={"beta": "beta or gamma", "gamma": "beta or gamma"},
        thresholds={**manifest.thresholds, "call_prob": 0.7},
    )
    block = _transfer(_answers([1000.0] * 3 + [0.0]), tree)
    assert _words(block, tree, "cellport_call") == ["alpha", *["beta or gamma"] * 2, UNKNOWN]
    assert _words(block, tree, "cellport_label") == ["alpha", "beta", "gamma", UNKNOWN]


def test_label_sets_hold_every_label_that_reaches_its_threshold(manifest: Manifest) -> None:
    block = _transfer(_answers([1000.0, 1000.0, 1000.0, 0.0]), manifest)
    sets = ["alpha", "beta;gamma;alpha", "gamma;alpha;beta", ""]
    assert block.obs["cellport_label_set"].tolist() == sets


def test_the_best_label_is_in_its_set_even_below_the_threshold(manifest: Manifest) -> None:
    strict = replace(manifest, set_prob=(1.0, 1.0, 1.0))
    block = _transfer(_answers([1000.0] * 4), strict)
    assert block.obs["cellport_label_set"].tolist() == ["alpha", "beta", "gamma", "gamma"]


@pytest.mark.parametrize(("share", "expected"), [(0.6, "ok"), (0.59, "low_gene_coverage")])
def test_low_gene_coverage_is_below_its_threshold(
    manifest: Manifest, share: float, expected: str
) -> None:
    block = _transfer(_answers([1000, 50, 0, 100]), manifest, share)
    assert _words(block, manifest, "cellport_qc") == [expected, "low_depth", "empty", expected]


@pytest.mark.parametrize(("low_depth", "low"), [(0.0, 0), (50.0, 1), (1e6, 4)])
def test_low_depth_honours_the_atlas_s_threshold(
    manifest: Manifest, low_depth: float, low: int
) -> None:
    atlas = replace(manifest, thresholds={**manifest.thresholds, "low_depth": low_depth})
    block = _transfer(_answers([1000, 10, 50, 100]), atlas)
    assert _words(block, atlas, "cellport_qc").count("low_depth") == low


def test_atlas_without_labels(manifest: Manifest) -> None:
    bare = replace(manifest, labels=(), parents={}, set_prob=())
    block = _transfer(_answers([1000, 0], prob=None), bare)
    names = ["cellport_novelty_p", "cellport_novel", "cellport_qc"]
    assert [column.name for column in result_schema(bare).columns] == names
    assert list(block.obs) == names


def test_strange_cells_are_novel_and_empty_ones_are_not(manifest: Manifest) -> None:
    block = _transfer(_answers([1000, 1000, 1000, 0]), manifest)
    np.testing.assert_allclose(block.obs["cellport_novelty_p"], [1, 0.5, 0.01, 1], rtol=1e-6)
    assert block.obs["cellport_novel"].tolist() == [False, False, True, False]


def test_block_fits_its_schema(manifest: Manifest) -> None:
    schema = result_schema(manifest)
    block = _transfer(_answers([1000.0] * 4), manifest)
    dtypes = {"category": np.int32, "float": np.float32, "text": np.object_, "bool": np.bool_}
    assert list(block.obs) == [column.name for column in schema.columns]
    for column in schema.columns:
        assert block.obs[column.name].dtype == dtypes[column.kind]
    assert {name: matrix.shape[1] for name, matrix in block.obsm.items()} == schema.obsm
    assert block.obsm["X_cellport_umap"].tolist() == block.obsm["X_cellport"][:, 1:3].tolist()
    assert schema.columns[-1].categories == QC


def test_no_cells(manifest: Manifest) -> None:
    block = _transfer(_answers([], prob=np.empty((0, 3), np.float32)), manifest)
    assert block.n_cells == 0
    assert all(len(values) == 0 for values in block.obs.values())


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        ({"prob": None}, "label_prob"),
        ({"prob": PROB[:, :2]}, "label_prob"),
        ({"prob": np.zeros((4, 4), np.float32)}, "label_prob"),
        ({"prob": PROB[:3]}, "label_prob"),
        ({"width": 7}, "latent"),
        ({"scores": 3}, "novelty_score"),
        ({"place": 3}, "umap"),
    ],
)
def test_answers_the_manifest_does_not_promise(
    manifest: Manifest, answers: dict[str, Any], name: str
) -> None:
    with pytest.raises(AtlasError, match=f"does not answer '{name}' of width"):
        _transfer(_answers([1000.0] * 4, **answers), manifest)
