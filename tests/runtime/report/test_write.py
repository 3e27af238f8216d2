from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import cellport
from cellport.runtime.atlas.file import npy_bytes
from cellport.runtime.errors import AtlasError, OutputError
from cellport.runtime.map_files import map_files
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.gather import FINDINGS, LABEL_GENES, REPORT
from cellport.runtime.mapping.options import MapOptions


@pytest.fixture(scope="module")
def atlas(tiny_atlas_path: Path) -> Atlas:
    return load_atlas(tiny_atlas_path)


@pytest.fixture
def query(tiny_cells: Any, tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "query.h5ad"
    tiny_cells.adata().write_h5ad(path)
    return path


def undated(page: Path) -> str:
    return re.sub(r"<td>[\d.]+ s for", "<td>? s for", page.read_text("utf-8"))


def test_a_report_of_a_mapping(atlas: Atlas, query: Path, tmp_path: Path, made_up: Any) -> None:
    out, report = tmp_path / "out.h5ad", tmp_path / "report.html"
    summary = map_files(atlas, query, out, report=report)
    assert summary.report == str(report)
    text = made_up.read(report.read_text("utf-8")).text
    assert "240 cells of query.h5ad were laid onto the atlas tiny" in text
    assert atlas.file.sha256 in text
    for name, n in summary.calls.items():
        assert re.search(rf"{name} {n} ", text)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out.h5ad", "report.html"]


def test_no_report_unless_asked_for(atlas: Atlas, query: Path, tmp_path: Path) -> None:
    assert map_files(atlas, query, tmp_path / "out.h5ad").report is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out.h5ad"]


@pytest.mark.parametrize("block_cells", [1, 7])
def test_the_page_does_not_depend_on_the_blocks(
    block_cells: int, atlas: Atlas, query: Path, tmp_path: Path
) -> None:
    out, one, other = (tmp_path / name for name in ("out.csv", "one.html", "other.html"))
    map_files(atlas, query, out, report=one)
    map_files(atlas, query, out, MapOptions(block_cells=block_cells), report=other)
    assert undated(one) == undated(other)


def of_the_result(page: Path) -> str:
    """What a page of written cells says when nothing was written."""
    text = re.sub(r'<tr><th scope="row">mapped cells</th>.*?</tr>\n', "", undated(page))
    return re.sub(r"in <bdi class=.name.>out.csv</bdi>", "of the result", text)


def test_a_mapping_in_memory_has_the_same_report(atlas: Atlas, query: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.html", tmp_path / "other.html"
    map_files(atlas, query, tmp_path / "out.csv", report=one)
    cellport.write_report(atlas, atlas.map(query, gather=(LABEL_GENES,)), other)
    assert undated(other) == of_the_result(one)


def test_a_report_shows_what_was_gathered(
    tiny_path_atlas: Path, tiny_fork: Any, tmp_path: Path, made_up: Any
) -> None:
    query, one, other = (tmp_path / name for name in ("query.h5ad", "one.html", "other.html"))
    adata = tiny_fork(seed=1)
    # cells of no type: their genes are exchanged
    adata.X = sp.vstack([adata.X[:40, ::-1], adata.X[40:]], format="csr")
    adata.write_h5ad(query)
    atlas = load_atlas(tiny_path_atlas)
    map_files(atlas, query, tmp_path / "out.csv", report=one)
    cellport.write_report(atlas, atlas.map(query, gather=REPORT), other)
    assert undated(other) == of_the_result(one)
    text = made_up.read(undated(other)).text
    assert "lie together and look like nothing in the atlas (p " in text
    assert "take the same course in your cells" in text
    cellport.write_report(atlas, atlas.map(query, gather=(FINDINGS,)), other)
    text = made_up.read(undated(other)).text
    assert "Groups that belong together" not in text
    assert "Why these types" not in text
    assert "own counts were not at hand" in text


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ("report.pdf", "let its name end in .html"),
        ("no/report.html", "does not exist"),
        ("in", "let its name end in .html"),
    ],
)
def test_a_bad_place_is_refused_before_mapping(
    report: str, words: str, atlas: Atlas, query: Path, tmp_path: Path
) -> None:
    def started(_: object) -> None:
        raise AssertionError("mapping had begun")

    out = tmp_path / "out.csv"
    with pytest.raises(OutputError, match=words):
        map_files(atlas, query, out, report=tmp_path / report, on_start=started)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_the_report_replaces_neither_query_nor_output(
    atlas: Atlas, query: Path, tmp_path: Path
) -> None:
    link, out = tmp_path / "report.html", tmp_path / "out.csv"
    link.symlink_to(query)
    with pytest.raises(OutputError, match="also an input"):
        map_files(atlas, query, out, report=link)
    link.unlink()
    link.symlink_to(out)
    with pytest.raises(OutputError, match="also the output"):
        map_files(atlas, query, out, report=link)


def test_neither_appears_without_the_other(
    atlas: Atlas, query: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, report = tmp_path / "out.h5ad", tmp_path / "report.html"
    with monkeypatch.context() as patch:
        patch.setattr("cellport.runtime.report.write.render", lambda contents: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            map_files(atlas, query, out, report=report)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_files(atlas, query, out, report=report, on_progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OutputError, match="disk is full"):
            map_files(atlas, query, out, report=report)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_a_damaged_reference_leaves_nothing_behind(
    rewritten_atlas: Any, query: Path, tmp_path: Path
) -> None:
    latent = npy_bytes(np.full((240, 8), np.nan, np.float32))
    path = rewritten_atlas({"arrays/reference_latent.npy": latent})
    with pytest.raises(AtlasError, match="get the atlas again"):
        map_files(load_atlas(path), query, tmp_path / "out.csv", report=tmp_path / "r.html")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "rewritten.cellport"]
