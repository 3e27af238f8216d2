from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from cellport.runtime.atlas.file import AtlasFile, npy_bytes, open_atlas_file
from cellport.runtime.columns import MappedBlock
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather import novel_sample
from cellport.runtime.mapping.gather.novel_groups import NovelCells, NovelGroup
from cellport.runtime.mapping.gather.novel_sample import link_latents, type_distance
from cellport.runtime.sources.block import CountBlock


def _match(n_query: int, panel_column: np.ndarray, n_panel: int) -> GeneMatch:
    measured = np.isin(np.arange(n_panel), panel_column)
    return GeneMatch(
        panel_column.astype(np.int32),
        np.ones(len(panel_column), bool),
        measured,
        "index",
        None,
        np.zeros(n_panel, np.int8),
        (),
        (),
        (),
    )


def _block(atlas: AtlasFile, start: int, novel: np.ndarray, counts: np.ndarray) -> MappedBlock:
    """Cells labelled with the first label; the novel ones lie together, far from the others."""
    n = len(novel)
    sparse = sp.csr_matrix(counts.astype(np.float32))
    latent = np.zeros((n, atlas.manifest.n_latent), np.float32)
    latent[novel] = 100
    return MappedBlock(
        start,
        np.array([f"c{i}" for i in range(start, start + n)], object),
        {
            "cellport_label": np.zeros(n, np.int32),
            "cellport_prob": np.full(n, 0.75, np.float32),
            "cellport_novelty_p": np.where(novel, 0.001, 0.7).astype(np.float32),
            "cellport_novel": novel,
        },
        {"X_cellport": latent},
        CountBlock(
            start, sparse.indptr.astype(np.int64), sparse.indices.astype(np.int32), sparse.data
        ),
    )


@pytest.fixture
def cells(tiny_atlas: AtlasFile) -> Any:
    """90 novel cells among 600, which express gene 3 as no other cell does, and lack gene 5."""
    rng = np.random.default_rng(0)
    profile = np.expm1(tiny_atlas.array("label_mean")[0].astype(np.float64)) + 0.1
    counts = rng.poisson(profile / profile.sum() * 2000, (600, len(profile)))
    novel = np.zeros(600, np.bool_)
    novel[rng.permutation(600)[:90]] = True
    best = int(profile.argmax())
    worst = int(profile.argmin())
    counts[novel, worst] += 200
    counts[novel, best] = 0
    return novel, counts, worst, best


def _groups(atlas: AtlasFile, cells: Any, size: int) -> tuple[NovelGroup, ...]:
    novel, counts, _, _ = cells
    found = NovelCells(atlas)
    match = _match(counts.shape[1], np.arange(counts.shape[1]), counts.shape[1])
    for start in range(0, len(novel), size):
        rows = slice(start, start + size)
        found.add(_block(atlas, start, novel[rows], counts[rows]), match)
    return found.groups()


@pytest.mark.parametrize("size", [600, 77])
def test_a_group_is_found_with_its_genes(tiny_atlas: AtlasFile, cells: Any, size: int) -> None:
    (group,) = _groups(tiny_atlas, cells, size)
    symbols = tiny_atlas.manifest.panel.symbols
    assert group.n_cells == 90
    assert group.label == "alpha"
    assert group.prob == pytest.approx(0.75)
    assert group.markers[0] == symbols[cells[2]]
    assert group.lacks[0] == symbols[cells[3]]
    assert group.p < 0.05
    assert group.novel == 1
    said = "90 cells lie together and look like nothing in the atlas (p = 0.002; 100% of them "
    then = f"would each alone); they resemble alpha but express {symbols[cells[2]]}"
    assert group.sentence.startswith(f"{said}{then}")


def test_of_many_novel_cells_some_are_looked_at(
    tiny_atlas: AtlasFile, cells: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(novel_sample, "MOST_NOVEL", 20)
    one, other = _groups(tiny_atlas, cells, 600), _groups(tiny_atlas, cells, 31)
    assert one == other
    assert one[0].n_cells == 90


def test_a_group_of_cells_none_of_which_is_novel_alone(tiny_atlas: AtlasFile, cells: Any) -> None:
    novel, counts, up, _ = cells
    found = NovelCells(tiny_atlas)
    match = _match(counts.shape[1], np.arange(counts.shape[1]), counts.shape[1])
    block = _block(tiny_atlas, 0, novel, counts)
    obs = {**block.obs, "cellport_novel": np.zeros(len(novel), np.bool_)}
    obs["cellport_novelty_p"] = np.where(novel, 0.06, 0.9).astype(np.float32)
    found.add(replace(block, obs=obs), match)
    (group,) = found.groups()
    assert (group.n_cells, group.novel) == (90, 0)
    assert group.markers[0] == tiny_atlas.manifest.panel.symbols[up]
    np.testing.assert_array_equal(found.cells_of_groups()[0], np.flatnonzero(novel))
    np.testing.assert_array_equal(found.surest_of_groups()[0], np.flatnonzero(novel))


def test_of_a_group_the_novel_cells_are_learned_from(tiny_atlas: AtlasFile, cells: Any) -> None:
    novel, counts, *_ = cells
    found = NovelCells(tiny_atlas)
    block = _block(tiny_atlas, 0, novel, counts)
    # half of those that lie together are not novel, each on its own
    alone = novel & (np.cumsum(novel) % 2 == 0)
    found.add(
        replace(block, obs={**block.obs, "cellport_novel": alone}),
        _match(counts.shape[1], np.arange(counts.shape[1]), counts.shape[1]),
    )
    np.testing.assert_array_equal(found.cells_of_groups()[0], np.flatnonzero(novel))
    np.testing.assert_array_equal(found.surest_of_groups()[0], np.flatnonzero(alone))


@pytest.mark.parametrize(("n_novel", "groups"), [(90, 1), (10, 0)])
def test_novel_cells_among_others_like_them(
    tiny_atlas: AtlasFile, cells: Any, n_novel: int, groups: int
) -> None:
    """In the place of a third of the others: told of where they are more than chance makes."""
    novel, counts, *_ = cells
    novel = novel & (np.cumsum(novel) <= n_novel)
    found = NovelCells(tiny_atlas)
    block = _block(tiny_atlas, 0, novel, counts)
    latent = np.zeros_like(block.obsm["X_cellport"])
    latent[:, 0] = np.where(novel, 0, 100 * (np.arange(len(novel)) % 3))
    obs = {**block.obs, "cellport_novelty_p": np.where(novel, 0.04, 0.95).astype(np.float32)}
    found.add(
        replace(block, obs=obs, obsm={"X_cellport": latent}),
        _match(counts.shape[1], np.arange(counts.shape[1]), counts.shape[1]),
    )
    assert len(found.groups()) == groups
    for group, rows in zip(found.groups(), found.cells_of_groups(), strict=True):
        assert (group.n_cells, group.novel) == (90, 1)
        np.testing.assert_array_equal(rows, np.flatnonzero(novel))


def test_few_cells_are_no_group(tiny_atlas: AtlasFile, cells: Any) -> None:
    novel, counts, *rest = cells
    few = novel & (np.cumsum(novel) <= 9)
    assert _groups(tiny_atlas, (few, counts, *rest), 600) == ()


def test_empty_cells_are_left_out(tiny_atlas: AtlasFile, cells: Any) -> None:
    novel, counts, *_ = cells
    block = _block(tiny_atlas, 0, novel, counts)
    unknown = np.full(len(novel), len(tiny_atlas.manifest.labels), np.int32)
    found = NovelCells(tiny_atlas)
    found.add(
        replace(block, obs={**block.obs, "cellport_label": unknown}),
        _match(counts.shape[1], np.arange(counts.shape[1]), counts.shape[1]),
    )
    assert found.groups() == ()


def test_genes_that_the_query_lacks_are_no_markers(tiny_atlas: AtlasFile, cells: Any) -> None:
    novel, counts, up, down = cells
    column = np.arange(counts.shape[1])
    column[[up, down]] = -1
    found = NovelCells(tiny_atlas)
    found.add(_block(tiny_atlas, 0, novel, counts), _match(len(column), column, len(column)))
    for group in found.groups():
        named = {*group.markers, *group.lacks}
        assert not named & {tiny_atlas.manifest.panel.symbols[g] for g in (up, down)}


def test_latents_far_apart_are_grouped_apart() -> None:
    rng = np.random.default_rng(1)
    centre = np.repeat(np.array([[0, 0], [30, 0], [0, 30]]), 1500, axis=0)
    latent = (centre + rng.normal(size=centre.shape)).astype(np.float32)
    order = rng.permutation(len(latent))
    group = link_latents(latent[order], 15.0).code
    for code in range(3):
        assert len(np.unique(group[order // 1500 == code])) == 1
    assert len(np.unique(group)) == 3


def test_distance_between_neighbouring_types(tiny_atlas: AtlasFile) -> None:
    latent, label = tiny_atlas.array("reference_latent"), tiny_atlas.array("reference_label")
    centres = np.stack([latent[label == code].mean(axis=0) for code in range(3)])
    apart = np.linalg.norm(centres[:, None] - centres, axis=2) + np.diag([np.inf] * 3)
    expected = np.median(apart.min(axis=1))
    assert type_distance(tiny_atlas) == pytest.approx(expected, rel=1e-4)


def test_distance_without_types(
    tiny_atlas: AtlasFile, rewritten_atlas: Callable[..., Path]
) -> None:
    latent, label = tiny_atlas.array("reference_latent"), tiny_atlas.array("reference_label")
    unlabelled = npy_bytes(np.full_like(label, -1))
    atlas = open_atlas_file(rewritten_atlas({"arrays/reference_label.npy": unlabelled}))
    expected = np.sqrt(latent.var(axis=0, dtype=np.float64).sum())
    assert type_distance(atlas) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("markers", "lacks", "label", "expected"),
    [
        (("A", "B"), ("C",), "NK", "; they resemble NK but express A and B and lack C."),
        ((), ("C", "D", "E", "F", "G"), "NK", "; they resemble NK but lack C, D, E and F."),
        ((), (), "NK", "; they resemble NK, and no single gene sets them apart."),
        (("A",), (), "", "; unlike its average cell, they express A."),
        ((), (), "", ", and no single gene sets them apart."),
    ],
)
def test_sentence(
    markers: tuple[str, ...], lacks: tuple[str, ...], label: str, expected: str
) -> None:
    start = "1,234 cells lie together and look like nothing in the atlas"
    sentence = NovelGroup(1234, 0.0126, 0.43, label, 0.5, markers, lacks).sentence
    assert sentence == f"{start} (p = 0.013; 43% of them would each alone){expected}"
    sentence = NovelGroup(1234, 0.0009, 0.43, label, 0.5, markers, lacks).sentence
    assert sentence == f"{start} (p < 0.001; 43% of them would each alone){expected}"


def test_the_report_tells_of_the_groups(
    tiny_atlas_path: Path, tiny_cells: Any, tmp_path: Path
) -> None:
    from cellport.runtime.map_files import map_files
    from cellport.runtime.mapping.atlas import load_atlas

    query = tiny_cells.adata()
    # one type with its genes shuffled: a type that no reference holds
    counts = query.X.toarray()
    alpha = counts[tiny_cells.label == "alpha"]
    counts[: len(alpha)] = alpha[:, np.random.default_rng(0).permutation(counts.shape[1])]
    query.X = sp.csr_matrix(counts)
    query.write_h5ad(tmp_path / "query.h5ad")
    map_files(
        load_atlas(tiny_atlas_path), tmp_path / "query.h5ad", tmp_path / "out.h5ad",
        report=tmp_path / "report.html",
    )  # fmt: skip
    assert (
        "lie together and look like nothing in the atlas (p "
        in (tmp_path / "report.html").read_text()
    )
