from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal

import cellport
from cellport.cli import main
from cellport.runtime.columns import AGREEMENT, JOINT, JOINT_PROB, LABEL, NOVEL, PROB
from cellport.runtime.errors import AtlasError, InputError
from cellport.runtime.mapping import query
from cellport.runtime.mapping.consensus import encoder
from cellport.runtime.mapping.encode import encode_block


@pytest.fixture(scope="module")
def lung_cells() -> anndata.AnnData:
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as path:
        return anndata.read_h5ad(path)


@pytest.fixture(scope="module")
def both(lung_cells: Any) -> cellport.Mapping:
    return cellport.load_atlas("lung").map(lung_cells, also="blood")


def test_each_atlas_says_what_it_says_alone(both: cellport.Mapping, lung_cells: Any) -> None:
    first = cellport.load_atlas("lung").map(lung_cells)
    for column in first.schema.columns:
        assert_array_equal(both[column.name], first[column.name])
    assert_array_equal(both["X_cellport"], first["X_cellport"])
    other = cellport.load_atlas("blood").map(lung_cells)
    for name in (LABEL, PROB, NOVEL):
        assert_array_equal(both[f"{name}_blood"], other[name])
    (told,) = both.uns["cellport"]["also"]
    assert told["name"] == "blood"
    assert 0 < told["fit"] < 1
    alike = {one["label"]: one for one in both.uns["cellport"]["labels_alike"]["blood"]}
    assert alike["B"]["is"] == "equal"
    # a name of both needs no evidence; one of the lung alone is told by the cells
    assert alike["CD8 T"]["is"] == "equal"


def test_another_tissue_does_not_change_what_is_sure(both: cellport.Mapping) -> None:
    sure = (both[PROB] > 0.95) & ~both[NOVEL]
    joint, label = (np.asarray(both[name]).astype(str) for name in (JOINT, LABEL))
    assert np.mean((label == joint)[sure]) > 0.97
    assert set(np.unique(both[AGREEMENT])) <= {np.float32(0), np.float32(0.5), np.float32(1)}
    assert ((both[JOINT_PROB] >= 0) & (both[JOINT_PROB] <= 1)).all()


def test_an_atlas_beside_itself_says_the_same(lung_cells: Any) -> None:
    found = cellport.load_atlas("lung").map(lung_cells, also=["lung"])
    assert (np.asarray(found[JOINT]).astype(str) == np.asarray(found[LABEL])).mean() > 0.98
    assert (found[AGREEMENT] == 1).mean() > 0.98
    assert_array_equal(found[f"{PROB}_lung_2"], found[PROB])


def test_nothing_depends_on_blocks_and_threads(lung_cells: Any, both: cellport.Mapping) -> None:
    atlas = cellport.load_atlas("lung")
    other = atlas.map(lung_cells, also="blood", block_cells=13, threads=1)
    for column in both.schema.columns:
        assert_array_equal(both[column.name], other[column.name], column.name)


def test_nothing_depends_on_whether_counts_are_kept(
    lung_cells: Any, both: cellport.Mapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "_CELLS_KEPT", 0)
    other = cellport.load_atlas("lung").map(lung_cells, also="blood")
    for column in both.schema.columns:
        assert_array_equal(both[column.name], other[column.name], column.name)
    for name in ("also", "labels_alike"):
        assert both.uns["cellport"][name] == other.uns["cellport"][name]


def test_a_small_query_is_encoded_once(lung_cells: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []

    def counted(block: Any, *more: Any) -> Any:
        encoded.append(block.n_cells)
        return encode_block(block, *more)

    monkeypatch.setattr(encoder, "encode_block", counted)
    lung = cellport.load_atlas("lung")
    lung.map(lung_cells, also="blood")
    assert sum(encoded) == 2 * lung_cells.n_obs


def test_on_another_scale_it_is_encoded_again(lung_cells: Any) -> None:
    lung = cellport.load_atlas("lung")
    rescaled = lung.map(lung_cells, rescale_genes=True)
    found = lung.map(lung_cells, rescale_genes=True, also="blood")
    for column in rescaled.schema.columns:
        assert_array_equal(found[column.name], rescaled[column.name], column.name)


def test_an_empty_cell_is_unknown(lung_cells: Any) -> None:
    cells = lung_cells[:50].copy()
    cells.X = cells.X.multiply((np.arange(50) != 7)[:, np.newaxis]).tocsr()
    found = cellport.load_atlas("lung").map(cells, also="blood")
    assert str(found[JOINT][7]) == "unknown"
    assert_allclose([found[JOINT_PROB][7], found[AGREEMENT][7]], 0)


def test_what_cannot_be_heard_is_refused(lung_cells: Any, tiny_atlas_path: Path) -> None:
    lung = cellport.load_atlas("lung")
    with pytest.raises(InputError, match="genes"):
        lung.map(lung_cells[:, ::60].copy(), also=tiny_atlas_path, minimum_genes=0.5)
    with pytest.raises(AtlasError):
        lung.map(lung_cells, also="no-such-atlas.cellport")


def test_command_and_report(lung_cells: Any, tmp_path: Path) -> None:
    cells, out, report = (tmp_path / name for name in ("q.h5ad", "out.csv", "report.html"))
    lung_cells.write_h5ad(cells)
    done = CliRunner().invoke(
        main,
        ["map", "lung", str(cells), "-o", str(out), "--also", "blood",
         "--report", str(report)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    head = out.read_text().splitlines()[0].split(",")
    assert {JOINT, JOINT_PROB, AGREEMENT, f"{LABEL}_blood"} <= set(head)
    page = report.read_text()
    assert "What other atlases say" in page
    assert "Labels without a namesake" in page
    # one type by two names is no disagreement
    told = page.partition("Most common disagreements")[2].partition("</table>")[0]
    assert told
    assert '<th scope="row">B</th><td>B</td>' not in told
