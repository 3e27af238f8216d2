from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

import cellport
from cellport.runtime.errors import AtlasError, OutputError
from cellport.runtime.map_files import map_files
from cellport.runtime.mapping.atlas import Atlas, MapOptions, load_atlas


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


def test_a_mapping_in_memory_has_the_same_report(atlas: Atlas, query: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.html", tmp_path / "other.html"
    map_files(atlas, query, tmp_path / "out.csv", report=one)
    cellport.write_report(atlas, atlas.map(query), other)
    row = re.compile(r'<tr><th scope="row">mapped cells</th>.*?</tr>\n')
    expected = row.sub("", undated(one))
    assert undated(other) == re.sub(
        r"in <bdi class=.name.>out.csv</bdi>", "of the result", expected
    )


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
        map_files(atlas, query, out, report=tmp_path / report, started=started)
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
        map_files(atlas, query, out, report=report, progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OutputError, match="disk is full"):
            map_files(atlas, query, out, report=report)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_a_damaged_reference_is_seen_before_mapping(
    rewritten_atlas: Any, query: Path, tmp_path: Path
) -> None:
    import numpy as np

    from cellport.runtime.atlas.file import npy_bytes

    path = rewritten_atlas({"arrays/reference_label.npy": npy_bytes(np.zeros(3, np.int32))})
    with pytest.raises(AtlasError, match="do not fit each other"):
        map_files(load_atlas(path), query, tmp_path / "out.csv", report=tmp_path / "r.html")
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "r.html").exists()
