from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.errors import InputError
from cellport.runtime.map_files import map_files
from cellport.runtime.mapping.annotate.annotator import Annotator
from cellport.runtime.mapping.annotate.groups import AUTO, NearVotes, StatedVotes, prepare
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.result import Mapping

LABEL, SHARE = "cellport_group_label", "cellport_group_share"
PROB = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6], [0.1, 0.9]]
FULL = [100.0] * 5


@pytest.fixture
def grouped(small_atlas: Any, made: Any) -> Callable[..., Any]:
    """Columns of five cells of labels B, T, B, T, T; groups are those of a column, or near."""

    def group(clusters: list[str] | None, library: list[float] = FULL, **answers: Any) -> Any:
        how = AUTO if clusters is None else "leiden"
        setting = made.setting(small_atlas(), groups=how)
        stated = np.array(clusters or [], object)
        object.__setattr__(setting, "obs_column", lambda name: stated)
        found = prepare(setting)
        cells = made.cells(library, **{"label_prob": PROB, "latent": np.zeros((5, 2))} | answers)
        assert found is not None
        assert found.survey is not None
        found.survey.add(cells)
        return _in_words(found, cells)

    return group


def _in_words(found: Annotator, cells: Any) -> dict[str, list[Any]]:
    values = found.annotate(cells)
    assert list(values) == [column.name for column in found.schema.columns]
    labels = [*next(c.categories for c in found.schema.columns if c.name == LABEL), None]
    words = {name: list(of_cells) for name, of_cells in values.items()}
    return words | {LABEL: [labels[code] for code in values[LABEL]]}


def test_most_cells_of_a_group_name_it(grouped: Any) -> None:
    found = grouped(["0", "1", "0", "0", "1"])
    assert found[LABEL] == ["B cell", "T cell", "B cell", "B cell", "T cell"]
    assert_array_equal(found[SHARE], np.float32([2 / 3, 1, 2 / 3, 2 / 3, 1]))


def test_of_equally_many_the_first_label(grouped: Any) -> None:
    found = grouped(["x", "x", "y", "y", "y"])
    assert found[LABEL] == ["B cell", "B cell", "T cell", "T cell", "T cell"]
    assert found[SHARE][0] == 0.5


def test_cells_without_group_or_counts(grouped: Any) -> None:
    """Cells without counts do not vote, but belong to a group that is stated; '' is no group."""
    found = grouped(["0", "", "0", "1", "0"], [100, 100, 0, 0, 0])
    assert found[LABEL] == ["B cell", None, "B cell", None, "B cell"]
    assert_array_equal(found[SHARE], np.float32([1, np.nan, 1, np.nan, 1]))


def test_groups_near_each_other(grouped: Any) -> None:
    found = grouped(None, [100, 100, 100, 100, 0], latent=[[0, 0], [9, 9], [0, 0], [9, 9], [0, 0]])
    group = found["cellport_group"]
    assert (group[0], group[1], group[4]) == (group[2], group[3], "")
    assert group[0] != group[1]
    assert found[LABEL] == ["B cell", "T cell", "B cell", "T cell", None]
    assert math.isnan(found[SHARE][4])


@pytest.mark.parametrize("block", [1, 7, 60])
def test_a_sample_of_cells_is_the_same_for_any_blocks(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellport.runtime.mapping.annotate.groups._COUNTED", 20)
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(200, 2)).astype(np.float32)
    library, prob = rng.integers(0, 3, 200).astype(float), rng.dirichlet(np.ones(2), 200)

    def kept(size: int) -> dict[str, Any]:
        votes = NearVotes(2, 2)
        for at in range(0, 200, size):
            part = slice(at, at + size)
            answers = {"latent": latent[part], "label_prob": prob[part].astype(np.float32)}
            votes.add(EncodedCells(at, answers, library[part]))
        return dict(votes.state())

    some, every = kept(block), kept(200)
    assert some.keys() == every.keys()
    for name, values in every.items():
        assert_array_equal(some[name], values)


def test_no_cell_with_counts(grouped: Any) -> None:
    found = grouped(None, [0.0] * 5)
    assert (found[LABEL], found["cellport_group"]) == ([None] * 5, [""] * 5)


@pytest.mark.parametrize("column", [["", ""], [str(i) for i in range(10_001)]])
def test_columns_that_group_nothing_are_refused(
    column: list[str], small_atlas: Any, made: Any
) -> None:
    setting = made.setting(small_atlas(), groups="barcode")
    object.__setattr__(setting, "obs_column", lambda name: np.array(column, object))
    with pytest.raises(InputError, match=r"--groups: the column 'barcode' (is empty|has 10,001)"):
        prepare(setting)


def test_an_atlas_without_labels_is_refused(small_atlas: Any, made: Any, forgery: Any) -> None:
    head = replace(forgery.manifest().head, kind="none", set_prob=())
    answers = ("latent", "novelty_score", "umap")
    bare = small_atlas(labels=(), parents={}, head=head, answers=answers)
    with pytest.raises(InputError, match="'small' has no labels"):
        prepare(made.setting(bare, groups=AUTO))


@pytest.fixture(scope="module")
def atlas(tiny_atlas: Any) -> Atlas:
    return Atlas(tiny_atlas)


@pytest.fixture
def query(tiny_cells: Any) -> anndata.AnnData:
    """Cells in clusters that the labels do not follow, called by numbers, some of none."""
    adata = tiny_cells.adata()
    clusters = np.random.default_rng(1).integers(0, 7, adata.n_obs).astype(float)
    clusters[:9] = np.nan
    adata.obs["cluster"] = clusters
    return adata


def counted(mapping: Mapping, groups: list[str]) -> tuple[list[Any], list[float]]:
    """The rule, cell by cell."""
    labels, shares = [], []
    names = list(mapping.schema.categories("cellport_label"))
    for group in groups:
        of_group = [
            label for label, one in zip(mapping["cellport_label"], groups, strict=True)
            if one == group
        ]  # fmt: skip
        votes = Counter(of_group)
        best = min(votes, key=lambda label: (-votes[label], names.index(label)))
        labels.append(best if group else None)
        shares.append(votes[best] / len(of_group) if group else math.nan)
    return labels, shares


@pytest.mark.parametrize("how", ["cluster", AUTO])
def test_the_majority_counts_all_cells(how: str, atlas: Atlas, query: Any) -> None:
    mapping = atlas.map(query, groups=how)
    stated = query.obs["cluster"].map(lambda value: "" if value != value else str(value))
    groups = stated.tolist() if how == "cluster" else mapping["cellport_group"].tolist()
    labels, shares = counted(mapping, groups)
    assert mapping[LABEL].tolist() == labels
    np.testing.assert_allclose(mapping[SHARE], shares, rtol=1e-6)
    assert mapping.uns["cellport"]["groups"] == how
    assert ("cellport_group" in mapping.obs) == (how == AUTO)
    assert len({*groups}) > 5


@pytest.mark.parametrize("how", ["cluster", AUTO])
def test_nothing_else_changes_whatever_the_blocks(how: str, atlas: Atlas, query: Any) -> None:
    plain = atlas.map(query).to_dataframe()
    frames = [
        atlas.map(query, groups=how, block_cells=block, threads=threads).to_dataframe()
        for block, threads in ((2048, 1), (7, 1), (50, 2))
    ]
    for frame in frames[1:]:
        assert_frame_equal(frame, frames[0], check_exact=True)
    assert_frame_equal(frames[0][plain.columns], plain, check_exact=True)


@pytest.mark.parametrize("ending", ["h5ad", "zarr", "csv", "tsv.gz", "parquet"])
def test_every_output_holds_the_same(ending: str, atlas: Atlas, query: Any, tmp_path: Path) -> None:
    expected = atlas.map(query, groups="cluster")
    out, place = tmp_path / f"out.{ending}", tmp_path / "in.h5ad"
    query.write_h5ad(place)
    map_files(atlas, place, out, MapOptions(groups="cluster", block_cells=33))
    read: dict[str, Callable[[], Any]] = {
        "h5ad": lambda: anndata.read_h5ad(out).obs,
        "zarr": lambda: anndata.read_zarr(out).obs,
        "csv": lambda: pandas.read_csv(out),
        "tsv.gz": lambda: pandas.read_csv(out, sep="\t"),
        "parquet": lambda: pandas.read_parquet(out),
    }
    found = read[ending]()
    labels = [None if label != label else label for label in found[LABEL]]
    assert labels == expected[LABEL].tolist()
    assert_array_equal(found[SHARE].to_numpy(np.float32), expected[SHARE])


def test_groups_of_several_queries_are_their_own(atlas: Atlas, query: Any, tmp_path: Path) -> None:
    """A cluster called 0.0 in both files is two."""
    halves, paths = (query[:100].copy(), query[100:].copy()), []
    for name, half in zip("ab", halves, strict=True):
        paths.append(tmp_path / f"{name}.h5ad")
        half.write_h5ad(paths[-1])
    map_files(atlas, paths, tmp_path / "out.parquet", MapOptions(groups="cluster"))
    found = pandas.read_parquet(tmp_path / "out.parquet")
    alone = [atlas.map(half, groups="cluster") for half in halves]
    assert_array_equal(
        found[SHARE].to_numpy(np.float32), np.concatenate([one[SHARE] for one in alone])
    )


def test_a_column_that_is_not_there(atlas: Atlas, query: Any) -> None:
    with pytest.raises(InputError, match=r"no column 'clusters'. Did you mean 'cluster'"):
        atlas.map(query, groups="clusters")


@pytest.mark.parametrize("how", [AUTO, "cluster"])
@pytest.mark.parametrize("name", ["scpoli_default", "scanvi_default", "celltypist_eight"])
def test_groups_of_every_kind_of_label(
    how: str, name: str, converted: Callable[[str], Path], foreign_query: Path, tmp_path: Path
) -> None:
    cells = anndata.read_h5ad(foreign_query)
    cells.obs["cluster"] = np.arange(cells.n_obs) % 4
    cells.write_h5ad(tmp_path / "query.h5ad")
    atlas = Atlas(open_atlas_file(converted(name)))
    found = atlas.map(tmp_path / "query.h5ad", groups=how, device="cpu").to_dataframe()
    full = found[found["cellport_qc"] != "empty"]
    group = full["cellport_group"] if how == AUTO else cells.obs.loc[full.index, "cluster"]
    for _, members in full.groupby(group.to_numpy()):
        own = members["cellport_label"].value_counts()
        assert set(members[LABEL]) <= set(own.index[own == own.max()])
        np.testing.assert_allclose(members[SHARE], own.max() / len(members))


def test_ten_thousand_groups_are_not_too_many(small_atlas: Any, made: Any) -> None:
    setting = made.setting(small_atlas(), groups="barcode")
    column = np.array([str(i) for i in range(10_000)], object)
    found = prepare(replace(setting, obs_column=lambda name: column))
    assert found is not None
    assert found.survey is not None
    assert found.survey.state()["votes"].shape == (10_000, 2)


def test_before_a_query_is_known_no_group_has_votes(small_atlas: Any, made: Any) -> None:
    found = prepare(made.setting(small_atlas(), groups="leiden"))
    assert found is not None
    assert found.survey is not None
    assert found.survey.state()["votes"].shape == (0, 2)


def test_votes_of_parts_add_up() -> None:
    rng = np.random.default_rng(0)
    parts = rng.integers(0, 9, (3, 4, 2))
    votes = StatedVotes(2, np.empty(0, np.int32))
    for part in parts:
        votes.absorb({"votes": part})
    assert_array_equal(votes.state()["votes"], parts.sum(axis=0))
