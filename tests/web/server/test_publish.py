"""Sites: what is in them, when they are refused, and that they appear whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.errors import AtlasError, InputError, MissingDependencyError, OutputError
from cellport.runtime.fetch.pull import pull
from cellport.web.server import publish as publishing
from cellport.web.server import site
from cellport.web.server.publish import publish


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A built page of two files."""
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets" / "app.js").write_text("1")
    return folder


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_site_holds_the_page_and_every_part(tiny_atlas: Any, page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    published = publish(tiny_atlas.path, folder, page)
    parts = {f"atlas/{name}" for name in tiny_atlas.members}
    assert _names(folder) == parts | {
        "index.html",
        "assets/app.js",
        "cellport-site.json",
        "atlases.json",
        "atlas/manifest.json",
        "atlas/tiny.cellport",
        "atlas/tiny.cellport.sha256",
    }
    for name in tiny_atlas.members:
        assert (folder / "atlas" / name).read_bytes() == bytes(tiny_atlas.read(name))
    with zipfile.ZipFile(tiny_atlas.path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    told = json.loads((folder / "atlas/manifest.json").read_text())
    # what a browser cannot look up: the terms of labels
    assert told.pop("terms").keys() == {"alpha", "beta"}
    assert "'gamma'" in " ".join(told.pop("term_notes"))
    assert told == {**manifest, "sha256": tiny_atlas.sha256}
    whole = (folder / "atlas/tiny.cellport").read_bytes()
    assert hashlib.sha256(whole).hexdigest() == published.sha256 == tiny_atlas.sha256
    line = (folder / "atlas/tiny.cellport.sha256").read_text()
    assert line == f"{published.sha256}  tiny.cellport\n"
    assert published.n_files == len(_names(folder))
    assert published.n_bytes == sum((folder / name).stat().st_size for name in _names(folder))


def test_site_of_a_converted_atlas_is_the_atlas(
    converted: Callable[[str], Path], page: Path, tmp_path: Path
) -> None:
    atlas = open_atlas_file(converted("scpoli_default"))
    published = publish(atlas.path, tmp_path / "site", page)
    assert published.sha256 == atlas.sha256
    for name in atlas.members:
        assert (tmp_path / "site" / "atlas" / name).read_bytes() == bytes(atlas.read(name))


def test_site_can_be_pulled_from_a_sub_path(
    tiny_atlas: Any, page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLPORT_CACHE", str(tmp_path / "cache"))
    publish(tiny_atlas.path, tmp_path / "site", page)
    with _served(tmp_path) as url:
        pulled = pull(f"{url}/site/")
    assert pulled.sha256 == tiny_atlas.sha256
    assert open_atlas_file(pulled.path).manifest == tiny_atlas.manifest


def test_several_atlases_lie_beside_each_other(
    tiny_atlas: Any, page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLPORT_CACHE", str(tmp_path / "cache"))
    other = tmp_path / "other one.cellport"
    shutil.copyfile(tiny_atlas.path, other)
    folder = tmp_path / "site"
    published = publish([tiny_atlas.path, other], folder, page)
    listed = json.loads((folder / "atlases.json").read_text())
    assert [one["name"] for one in listed] == ["tiny", "other-one"]
    assert [one["folder"] for one in listed] == ["atlases/tiny", "atlases/other-one"]
    assert listed[0]["labels"] == list(tiny_atlas.manifest.labels)
    assert listed[0]["bytes"] == tiny_atlas.path.stat().st_size
    for one in listed:
        for name in tiny_atlas.members:
            assert (folder / one["folder"] / name).read_bytes() == bytes(tiny_atlas.read(name))
    assert published.n_files == len(_names(folder))
    downloads = [published.download, *(one.download for one in published.others)]
    with _served(tmp_path) as url:
        with pytest.raises(AtlasError, match="has several atlases") as refused:
            pull(f"{url}/site/")
        for download in downloads:
            assert f"{url}/site/{download}" in str(refused.value)
            assert pull(f"{url}/site/{download}").sha256 == tiny_atlas.sha256
    # and an earlier site is known as one
    publish(tiny_atlas.path, folder, page)
    assert not (folder / "atlases").exists()


def test_atlases_of_one_name_and_none_are_refused(
    tiny_atlas: Any, page: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again" / tiny_atlas.path.name
    again.parent.mkdir()
    shutil.copyfile(tiny_atlas.path, again)
    with pytest.raises(InputError, match="Two atlases are called 'tiny'"):
        publish([tiny_atlas.path, again], tmp_path / "site", page)
    with pytest.raises(InputError, match="No atlas was given"):
        publish([], tmp_path / "site", page)
    assert not (tmp_path / "site").exists()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_earlier_site_is_replaced(
    tiny_atlas: Any, rewritten_atlas: Callable[..., Path], page: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    publish(tiny_atlas.path, folder, page)
    (page / "assets" / "app.js").unlink()
    publish(rewritten_atlas(name="../Lungs & airways"), folder, page)
    names = _names(folder)
    assert "assets/app.js" not in names
    assert "atlas/Lungs-airways.cellport" in names
    assert "atlas/tiny.cellport" not in names
    assert not list(tmp_path.glob(".site*"))


@pytest.mark.parametrize("foreign", ["thesis.txt", "atlas/notes.md", "sub/"])
def test_folder_with_anything_else_is_left_alone(
    tiny_atlas: Any, page: Path, tmp_path: Path, foreign: str
) -> None:
    folder = tmp_path / "site"
    for published_before in (False, True):
        if published_before:
            shutil.rmtree(folder)
            publish(tiny_atlas.path, folder, page)
        path = folder / foreign
        if foreign.endswith("/"):
            path.mkdir(parents=True)
            (path / "x").write_text("")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("mine")
        before = _names(folder)
        with pytest.raises(OutputError, match="which cellport publish did not write"):
            publish(tiny_atlas.path, folder, page)
        assert _names(folder) == before


def test_folder_of_empty_folders_is_left_alone(tiny_atlas: Any, page: Path, tmp_path: Path) -> None:
    (tmp_path / "site" / "empty").mkdir(parents=True)
    with pytest.raises(OutputError, match="other folders"):
        publish(tiny_atlas.path, tmp_path / "site", page)


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"cellport_site": 1, "files": 3}', b"{}"])
def test_forged_site_file_does_not_open_a_folder(
    tiny_atlas: Any, page: Path, tmp_path: Path, text: bytes
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "cellport-site.json").write_bytes(text)
    with pytest.raises(OutputError, match="did not write"):
        publish(tiny_atlas.path, folder, page)


def test_places_that_cannot_be_written(tiny_atlas: Any, page: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist; make it first"):
        publish(tiny_atlas.path, tmp_path / "none" / "site", page)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        publish(tiny_atlas.path, tmp_path / "file", page)
    with pytest.raises(AtlasError, match="No such atlas"):
        publish(tmp_path / "none.cellport", tmp_path / "site", page)
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("step", ["_copy", "_write", "PendingOutput.put"])
def test_failure_leaves_what_was_there(
    tiny_atlas: Any,
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    earlier: bool,
    step: str,
) -> None:
    folder = tmp_path / "site"
    if earlier:
        publish(tiny_atlas.path, folder, page)
    before = _names(tmp_path)

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"{publishing.__name__}.{step}", fail)
    with pytest.raises(OutputError, match="No space left"):
        publish(tiny_atlas.path, folder, page)
    assert _names(tmp_path) == before
    assert not list(tmp_path.glob(".site*"))


def test_failed_exchange_puts_the_earlier_site_back(
    tiny_atlas: Any, page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    publish(tiny_atlas.path, folder, page)
    before, replace, calls = _names(folder), os.replace, []

    def second_fails(source: Any, target: Any) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(OutputError, match="Input/output error"):
        publish(tiny_atlas.path, folder, page)
    assert _names(folder) == before


def test_without_the_page_it_says_how_to_build_it(
    tiny_atlas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "PAGE", tmp_path / "dist")
    with pytest.raises(MissingDependencyError, match=r"installation .* lacks .* install it again"):
        publish(tiny_atlas.path, tmp_path / "site")
    (tmp_path / "package.json").touch()  # a checkout
    with pytest.raises(
        MissingDependencyError,
        match="npm install --prefix web/page && npm run build --prefix web/page",
    ):
        publish(tiny_atlas.path, tmp_path / "site")
    assert not (tmp_path / "site").exists()
