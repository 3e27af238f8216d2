"""The column of groups of cells unlike the atlas: the groups that a report tells of."""

from __future__ import annotations

from collections.abc import Callable
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
from cellport.runtime.mapping.annotate.beside_novelty.group_numbers import prepare
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.gather import NOVEL_GROUPS, novel_sample
from cellport.runtime.mapping.gather.novel_groups import NovelCells
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.result import Mapping

COLUMN = "cellport_novel_group"


@pytest.fixture(scope="module")
def atlas(tiny_atlas: Any) -> Atlas:
    return Atlas(tiny_atlas)


@pytest.fixture(scope="module")
def query(tiny_cells: Any, tiny_new_cells: Callable[..., Any]) -> anndata.AnnData:
    """Cells of an unseen type among known ones, and some without any count."""
    known = tiny_cells.adata()[:100]
    empty = tiny_cells.adata()[100:104].copy()
    empty.obs_names = [f"empty{at}" for at in range(4)]
    empty.X = empty.X * 0
    both = anndata.concat([known, tiny_new_cells(60, seed=1), empty], merge="same")
    return both[np.random.default_rng(3).permutation(both.n_obs)].copy()


def told(mapping: Mapping) -> NovelCells:
    found = mapping.gathered[NOVEL_GROUPS]
    assert isinstance(found, NovelCells)
    return found


def test_the_numbers_are_those_of_the_report(atlas: Atlas, query: Any) -> None:
    mapping = atlas.map(query, novel_groups=True, gather=[NOVEL_GROUPS])
    cells = told(mapping).cells_of_groups()
    expected = np.full(mapping.n_cells, "", object)
    for number, rows in enumerate(cells, start=1):
        expected[rows] = str(number)
    assert_array_equal(mapping[COLUMN], expected)
    sizes = [group.n_cells for group in told(mapping).groups()]
    assert sizes == [(mapping[COLUMN] == str(at)).sum() for at in range(1, len(sizes) + 1)]
    unseen = query.obs["cell_type"].to_numpy() == "delta"
    assert (mapping[COLUMN][unseen] == "1").mean() > 0.9
    assert (mapping[COLUMN][query.obs_names.str.startswith("empty")] == "").all()


def test_without_being_asked_there_is_no_column(atlas: Atlas, query: Any) -> None:
    plain = atlas.map(query)
    assert COLUMN not in plain.obs
    asked = atlas.map(query, novel_groups=True).to_dataframe()
    assert_frame_equal(asked.drop(columns=COLUMN), plain.to_dataframe(), check_exact=True)


@pytest.mark.parametrize("few", [False, True])
def test_whatever_the_blocks_and_threads(
    few: bool, atlas: Atlas, query: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of cells that were not looked at, which are of what they lie next to."""
    if few:
        monkeypatch.setattr(novel_sample, "MOST_NOVEL", 30)
        monkeypatch.setattr(novel_sample, "MOST_KNOWN", 40)
    frames = [
        atlas.map(query, novel_groups=True, block_cells=block, threads=threads).to_dataframe()
        for block, threads in ((2048, 1), (7, 1), (50, 2))
    ]
    for frame in frames[1:]:
        assert_frame_equal(frame, frames[0], check_exact=True)
    unseen = query.obs["cell_type"].to_numpy() == "delta"
    numbered = frames[0][COLUMN].to_numpy() == "1"
    assert numbered[unseen].mean() > 0.9 > 2 * numbered[~unseen].mean()


def test_in_any_order_of_the_cells(atlas: Atlas, query: Any) -> None:
    """As long as all cells are looked at."""
    order = np.random.default_rng(0).permutation(query.n_obs)
    one = atlas.map(query, novel_groups=True)
    other = atlas.map(query[order].copy(), novel_groups=True)
    assert_array_equal(one[COLUMN][order], other[COLUMN])


def test_beside_groups_of_the_query(atlas: Atlas, query: Any) -> None:
    """Both need to see all cells, and see them in one pass."""
    both = atlas.map(query, novel_groups=True, groups="auto").to_dataframe()
    for how in ({"novel_groups": True}, {"groups": "auto"}):
        alone = atlas.map(query, **how).to_dataframe()
        assert_frame_equal(both[alone.columns], alone, check_exact=True)


def test_files_and_reports(atlas: Atlas, query: Any, tmp_path: Path) -> None:
    place, out = tmp_path / "in.h5ad", tmp_path / "out.csv"
    query.write_h5ad(place)
    how = MapOptions(novel_groups=True, block_cells=33)
    map_files(atlas, place, out, how, report=tmp_path / "page.html")
    found = pandas.read_csv(out, keep_default_na=False, dtype={COLUMN: str})[COLUMN]
    assert_array_equal(found, atlas.map(query, novel_groups=True)[COLUMN])
    sentence = told(atlas.map(query, gather=[NOVEL_GROUPS])).groups()[0].sentence
    assert sentence in (tmp_path / "page.html").read_text()


def test_counts_are_summed_up_by_group(atlas: Atlas, query: Any) -> None:
    mapping = atlas.map(query, novel_groups=True, pseudobulk=COLUMN)
    summed: Any = mapping.gathered["pseudobulk"]
    found = dict(zip(summed.found().groups, summed.found().cells.tolist(), strict=True))
    assert found[("1",)] == (mapping[COLUMN] == "1").sum()


def test_of_several_files_they_are_refused(atlas: Atlas, query: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="numbered within one file"):
        map_files(atlas, [query, query], tmp_path / "out.csv", MapOptions(novel_groups=True))


def test_an_atlas_that_cannot_tell_says_so(
    atlas: Atlas, made: Any, converted: Callable[[str], Path], foreign_query: Path
) -> None:
    other = Atlas(open_atlas_file(converted("celltypist_two")))
    mapping = other.map(foreign_query, novel_groups=True)
    assert COLUMN not in mapping.obs
    assert any("cannot tell of such groups" in note for note in mapping.uns["cellport"]["notes"])
    assert prepare(made.setting(atlas.file)) is None
