"""Fetching atlases, from a server that can break off, lie, and know nothing of ranges."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.errors import AtlasError, OutputError
from cellport.runtime.fetch import download, kept, pull, registry
from cellport.runtime.fetch.download import fetch_small
from cellport.runtime.fetch.pull import cached, find_atlas
from cellport.runtime.fetch.registry import Entry, known_atlases


@dataclass
class Server:
    """What a small HTTP server sends, and what it was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    kind: str = "application/octet-stream"
    ranges: bool = True
    etag: str = '"one"'
    # break off after so many bytes of each answer, so many times
    break_after: int = 0
    breaks: int = 0
    state_length: bool = True
    length: str = ""  # what it says instead
    chunked: bool = False  # and breaks off within a chunk
    from_byte: int | None = None  # that it says a part begins at
    on_ranges: list[str] = field(default_factory=list)  # what it does instead of giving parts
    asked: list[tuple[str, str | None]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        said: Server = self.server.said
        asked = self.headers.get("Range")
        said.asked.append((self.path, asked))
        if self.path in said.redirects:
            self.send_response(302)
            self.send_header("Location", said.redirects[self.path])
            self.end_headers()
            return
        data = said.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        if asked and said.on_ranges:
            if said.on_ranges.pop() == "fail":
                self.send_error(503)
            return  # without an answer
        start = 0
        fits = self.headers.get("If-Range") in (None, said.etag)
        if asked and said.ranges and fits:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        if start:
            begins = start if said.from_byte is None else said.from_byte
            self.send_header("Content-Range", f"bytes {begins}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Type", said.kind)
        self.send_header("ETag", said.etag)
        if said.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif said.state_length:
            self.send_header("Content-Length", said.length or str(len(data) - start))
        self.end_headers()
        if said.chunked:
            self.wfile.write(b"fff\r\n" + data[start:99])
            return
        body = data[start:]
        if said.breaks > 0:
            said.breaks -= 1
            body = body[: said.break_after]
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    said = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http:
        http.said = said  # type: ignore[attr-defined]
        said.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield said
        http.shutdown()
        thread.join()


@pytest.fixture
def data(small: Path) -> bytes:
    return small.read_bytes()


def _leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def test_fetched_once_then_offline(server: Server, data: bytes, cache: Path) -> None:
    server.files["/lung.cellport"] = data
    url = f"{server.url}/lung.cellport"
    first = pull.pull(url)
    assert (first.fetched, first.name, first.source) == (True, "small", url)
    assert Path(first.path).read_bytes() == data
    assert first.sha256 == hashlib.sha256(data).hexdigest()
    assert _leftovers(cache) == [Path(first.path).name]
    server.files.clear()
    again = pull.pull(url)
    assert not again.fetched
    assert again.path == first.path
    assert find_atlas(url) == Path(first.path)
    assert len(server.asked) == 1


def test_refresh_mends_what_was_damaged(server: Server, data: bytes) -> None:
    server.files["/a.cellport"] = data
    url, sha256 = f"{server.url}/a.cellport", hashlib.sha256(data).hexdigest()
    path = Path(pull.pull(url).path)
    path.write_bytes(data[:-1])
    assert pull.pull(url, sha256=sha256, refresh=True).fetched
    assert path.read_bytes() == data


def test_published_site_states_the_hash(server: Server, data: bytes) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    site = {"cellport_site": 1, "atlas": {"file": "atlas/x.cellport", "sha256": sha256}}
    server.files["/sub/cellport-site.json"] = json.dumps(site).encode()
    server.files["/sub/atlas/x.cellport"] = data
    for ending in ("", "/", "/index.html"):
        assert pull.pull(f"{server.url}/sub{ending}").sha256 == sha256
    asked = len(server.asked)
    assert not pull.pull(f"{server.url}/sub/", refresh=True).fetched
    assert len(server.asked) == asked + 1  # the site file alone


@pytest.mark.parametrize(
    "site",
    [
        b"<html>",
        b"[]",
        b'{"atlas": {}}',
        b'{"cellport_site": 1, "atlas": {"file": "../../etc/x.cellport", "sha256": "00"}}',
        b'{"cellport_site": 1, "atlas": {"file": "atlas/x.cellport", "sha256": "00"}}',
        b"[" * 100_000,
    ],
)
def test_other_sites_are_refused(server: Server, site: bytes) -> None:
    server.files["/cellport-site.json"] = site
    with pytest.raises(AtlasError, match=r"neither a \.cellport file nor a site|names no atlas"):
        pull.pull(server.url)


def test_goes_on_after_interruptions_within_one_call(server: Server, data: bytes) -> None:
    server.files["/a.cellport"] = data
    server.break_after, server.breaks = len(data) // 10, 9
    seen: list[tuple[int, int | None]] = []
    pulled = pull.pull(f"{server.url}/a.cellport", on_progress=lambda *at: seen.append(at))
    assert Path(pulled.path).read_bytes() == data
    assert seen[-1] == (len(data), len(data))
    assert [at for at, _ in seen] == sorted(at for at, _ in seen)
    starts = [asked for _, asked in server.asked[1:]]
    assert all(starts)
    assert starts == sorted(starts, key=lambda text: int(text[6:-1]))


def test_goes_on_in_the_next_call(server: Server, data: bytes, cache: Path) -> None:
    server.files["/a.cellport"] = data
    server.break_after, server.breaks = len(data) // 2, 1
    url = f"{server.url}/a.cellport"

    class Stopped(BaseException):
        pass

    def stop(done: int, total: int | None) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        pull.pull(url, on_progress=stop)
    assert any(name.endswith(".part") for name in _leftovers(cache))
    assert Path(pull.pull(url).path).read_bytes() == data
    asked = server.asked[-1][1]
    assert asked is not None
    assert int(asked[6:-1]) > 0


def test_file_that_changed_meanwhile_is_fetched_anew(
    server: Server, data: bytes, cache: Path
) -> None:
    url = f"{server.url}/a.cellport"
    server.files["/a.cellport"] = data[:-5000] + bytes(5000)
    server.break_after, server.breaks = len(data) // 2, 99
    server.ranges = False
    with pytest.raises(AtlasError, match=r"broke .* with .* bytes here. Do the same again"):
        pull.pull(url)
    server.files["/a.cellport"], server.etag = data, '"two"'
    server.breaks, server.ranges = 0, True
    assert Path(pull.pull(url).path).read_bytes() == data
    assert len(_leftovers(cache)) == 1


def test_wrong_part_without_validator_is_fetched_anew(
    server: Server, data: bytes, cache: Path
) -> None:
    url = f"{server.url}/a.cellport"
    server.files["/a.cellport"], server.etag = data, ""
    cache.mkdir()
    part = cache / f"{kept.kept_at(url).name}.part"
    part.write_bytes(data[:100] + bytes(200))
    part.with_name(f"{part.name}.json").write_text(json.dumps({"url": url, "validator": ""}))
    assert Path(pull.pull(url).path).read_bytes() == data


@pytest.mark.parametrize("left", [b"", b"PK\x03\x04 of another address", b"x" * 10**6])
def test_part_of_anything_else_does_no_harm(
    server: Server, data: bytes, cache: Path, left: bytes
) -> None:
    url = f"{server.url}/a.cellport"
    server.files["/a.cellport"] = data
    cache.mkdir()
    part = cache / f"{kept.kept_at(url).name}.part"
    part.write_bytes(left)
    for notes in (None, "{", "[]", json.dumps({"url": url})):
        if notes is not None:
            part.with_name(f"{part.name}.json").write_text(notes)
        pulled = pull.pull(url, refresh=True)
        assert Path(pulled.path).read_bytes() == data
        part.write_bytes(left)


def test_server_without_ranges_sends_it_again(server: Server, data: bytes) -> None:
    server.files["/a.cellport"] = data
    server.ranges = False
    server.break_after, server.breaks = len(data) // 2, 2
    assert Path(pull.pull(f"{server.url}/a.cellport").path).read_bytes() == data


def test_server_that_states_no_length(server: Server, data: bytes) -> None:
    server.files["/a.cellport"] = data
    server.state_length = False
    assert Path(pull.pull(f"{server.url}/a.cellport").path).read_bytes() == data
    server.files["/b.cellport"] = data[:-1000]
    with pytest.raises(AtlasError, match="not a whole cellport atlas"):
        pull.pull(f"{server.url}/b.cellport")


def test_wrong_hash_is_refused_and_forgotten(server: Server, data: bytes, cache: Path) -> None:
    server.files["/a.cellport"] = data
    url = f"{server.url}/a.cellport"
    with pytest.raises(AtlasError, match=r"has SHA-256 [0-9a-f]{64}, not 0{64} as it should"):
        pull.pull(url, sha256="0" * 64)
    assert _leftovers(cache) == []
    right = hashlib.sha256(data).hexdigest()
    assert pull.pull(url, sha256=right.upper()).fetched
    with pytest.raises(AtlasError, match="as it should"):
        pull.pull(url, sha256="0" * 64)
    with pytest.raises(AtlasError, match="is not a SHA-256"):
        pull.pull(url, sha256="abc")


def test_damaged_file_is_refused_and_forgotten(server: Server, data: bytes, cache: Path) -> None:
    server.files["/a.cellport"] = data[:200] + bytes([data[200] ^ 1]) + data[201:]
    with pytest.raises(AtlasError, match="damaged"):
        pull.pull(f"{server.url}/a.cellport")
    assert _leftovers(cache) == []


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"<!doctype html><html>", "text/html", "sends text/html, not a cellport atlas"),
        (b"", "application/octet-stream", "sends an empty file"),
        (b"PK\x03\x04 another zip", "application/zip", "not a whole cellport atlas"),
    ],
)
def test_something_else_is_refused(
    server: Server, cache: Path, content: bytes, kind: str, said: str
) -> None:
    server.files["/a.cellport"], server.kind = content, kind
    with pytest.raises(AtlasError, match=said):
        pull.pull(f"{server.url}/a.cellport")
    assert not list(cache.glob("*.cellport"))


@pytest.mark.parametrize("stated", [True, False])
def test_more_than_the_bound_is_refused(server: Server, data: bytes, stated: bool) -> None:
    server.files["/a.cellport"] = data
    server.state_length = stated
    with pytest.raises(AtlasError, match="more than the 1,000 allowed"):
        pull.pull(f"{server.url}/a.cellport", largest=1000)


def test_goes_on_where_the_server_fails_for_a_while(server: Server, data: bytes) -> None:
    server.files["/a.cellport"] = data
    server.break_after, server.breaks = len(data) // 2, 1
    server.on_ranges = ["fail", "hang up", "fail"]
    assert Path(pull.pull(f"{server.url}/a.cellport").path).read_bytes() == data
    assert len(server.asked) == 5


def test_a_connection_that_always_breaks(server: Server, data: bytes) -> None:
    server.files["/a.cellport"] = server.files["/cellport-site.json"] = data
    server.chunked = True
    with pytest.raises(AtlasError, match=r"the connection broke .*Do the same again to go on"):
        pull.pull(f"{server.url}/a.cellport")
    with pytest.raises(AtlasError, match=r"cellport-site\.json: the connection broke"):
        pull.pull(server.url)


def test_another_part_than_asked_for(server: Server, data: bytes) -> None:
    server.files["/a.cellport"] = data
    server.break_after, server.breaks, server.from_byte = len(data) // 2, 1, 3
    with pytest.raises(AtlasError, match="answers a request for a part with another part"):
        pull.pull(f"{server.url}/a.cellport")


def test_a_length_that_is_no_number_of_bytes(server: Server, data: bytes) -> None:
    server.files["/a.cellport"] = data
    server.length = "9" * 5000
    assert Path(pull.pull(f"{server.url}/a.cellport").path).read_bytes() == data


def test_small_answers_come_whole_or_not_at_all(server: Server) -> None:
    server.files["/a"] = b"x" * 1000
    assert fetch_small(f"{server.url}/a", 1000) == b"x" * 1000
    with pytest.raises(AtlasError, match="sends more than 999 bytes"):
        fetch_small(f"{server.url}/a", 999)
    server.break_after, server.breaks = 500, 1
    with pytest.raises(AtlasError, match=r"/a: the connection broke \(500 bytes came\)"):
        fetch_small(f"{server.url}/a", 1000)


def test_no_way_from_what_is_encrypted_to_what_is_not() -> None:
    request = urllib.request.Request("https://example.org/a.cellport")
    with pytest.raises(AtlasError, match="leads to an address that is not encrypted"):
        download._Redirects().redirect_request(request, None, 302, "", {}, "http://example.org/a")


def test_a_site_of_several_atlases_names_them(server: Server) -> None:
    files = ["atlas/x.cellport", "atlases/y-2/y-2.cellport", "http://[", "../z.cellport", 3]
    several = [{"file": one} for one in files]
    site = {"cellport_site": 1, "atlases": [*several, "none"]}
    server.files["/cellport-site.json"] = json.dumps(site).encode()
    offered = f"{server.url}/atlas/x.cellport, {server.url}/atlases/y-2/y-2.cellport."
    with pytest.raises(AtlasError, match=f"has several atlases; .* its own address: {offered}$"):
        pull.pull(server.url)


def test_a_site_that_offers_another_atlas_than_asked_for(server: Server, data: bytes) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    site = {"cellport_site": 1, "atlas": {"file": "atlas/x.cellport", "sha256": sha256}}
    server.files["/cellport-site.json"] = json.dumps(site).encode()
    server.files["/atlas/x.cellport"] = data
    with pytest.raises(AtlasError, match=f"offers an atlas with another SHA-256, {sha256}"):
        pull.pull(server.url, sha256="0" * 64)
    assert pull.pull(server.url, sha256=sha256.upper()).fetched


def test_missing_file(server: Server) -> None:
    with pytest.raises(AtlasError, match="no such file on that server"):
        pull.pull(f"{server.url}/a.cellport")


def test_unreachable_server(server: Server) -> None:
    with pytest.raises(AtlasError, match="cannot be reached"):
        pull.pull("http://127.0.0.1:9/a.cellport")


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host/a.cellport", "http:///a", "http://[::1/a", "http://h/a b"],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(AtlasError, match=r"only http|not a valid address"):
        pull.pull(url)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/a.cellport"])
def test_redirects_elsewhere_are_refused(server: Server, to: str) -> None:
    server.redirects["/a.cellport"] = to
    with pytest.raises(AtlasError, match="only http"):
        pull.pull(f"{server.url}/a.cellport")


def test_redirects_are_followed_so_far(server: Server, data: bytes) -> None:
    server.redirects = {f"/{i}.cellport": f"/{i + 1}.cellport" for i in range(3)}
    server.files["/3.cellport"] = data
    assert pull.pull(f"{server.url}/0.cellport").fetched
    server.redirects = {f"/{i}.cellport": f"/{i + 1}.cellport" for i in range(99)}
    with pytest.raises(AtlasError, match="from one address to the next"):
        pull.pull(f"{server.url}/50.cellport")


def test_copied_to_a_file_or_folder(server: Server, data: bytes, tmp_path: Path) -> None:
    server.files["/a.cellport"] = data
    url = f"{server.url}/a.cellport"
    for out, there in (("b.cellport", "b.cellport"), ("", "small.cellport")):
        assert pull.pull(url, tmp_path / out).path == str(tmp_path / there)
        assert (tmp_path / there).read_bytes() == data
    with pytest.raises(OutputError, match="does not exist; make it first"):
        pull.pull(url, tmp_path / "none" / "b.cellport")
    assert not list(tmp_path.glob(".*.part"))


def test_cache_that_cannot_be_written(
    server: Server, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a.cellport"] = data
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CELLPORT_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="set CELLPORT_CACHE"):
        pull.pull(f"{server.url}/a.cellport")


def test_ten_at_once_fetch_once(server: Server, data: bytes) -> None:
    server.files["/a.cellport"] = data
    url = f"{server.url}/a.cellport"
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(find_atlas(url))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 10
    assert {path.read_bytes() for path in paths} == {data}
    assert len(server.asked) == 1


@pytest.fixture
def known(
    server: Server, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Entry]]:
    """Put two atlases under names: one with the package, one to fetch."""
    folder = tmp_path / "models"
    (folder / "pretrained").mkdir(parents=True)
    (folder / "pretrained" / "near.cellport").write_bytes(data)
    server.files["/far.cellport"] = data
    sha256, size = hashlib.sha256(data).hexdigest(), len(data)
    entry = {"sha256": sha256, "size": size, "description": "an atlas"}
    text = {
        "near": {"file": "near.cellport", **entry},
        "far": {"url": f"{server.url}/far.cellport", **entry},
        "wrong": {"file": "near.cellport", **entry, "sha256": "0" * 64},
    }
    (folder / "registry.json").write_text(json.dumps(text))
    monkeypatch.setattr(registry, "_folder", lambda: folder)
    known_atlases.cache_clear()
    yield known_atlases()
    known_atlases.cache_clear()


def test_names(known: dict[str, Entry], server: Server) -> None:
    assert [cached(entry) for entry in known.values()] == [True, False, True]
    assert not pull.pull("near").fetched
    assert server.asked == []
    assert pull.pull("far").fetched
    server.files.clear()
    assert not pull.pull("far").fetched
    assert cached(known["far"])
    assert open_atlas_file(find_atlas("far")).sha256 == known["far"].sha256
    with pytest.raises(AtlasError, match="as it should"):
        pull.pull("wrong")
    with pytest.raises(AtlasError, match=r"'nearr' is known. Did you mean 'near'"):
        pull.pull("nearr")
    with pytest.raises(AtlasError, match="neither a name nor"):
        pull.pull("no/name.cellport")


def test_file_here_comes_before_a_name(
    known: dict[str, Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_atlas("near") == known["near"].path
    (tmp_path / "near").write_bytes(b"")
    assert find_atlas("near") == Path("near")
    assert find_atlas("none.cellport") == Path("none.cellport")
    with pytest.raises(AtlasError, match=r"No such atlas file: xyz\. There are: 'near', 'far'"):
        find_atlas("xyz")


def test_registry_of_the_package_is_right() -> None:
    for name, entry in known_atlases().items():
        assert registry.is_name(name)
        assert entry.description
        assert (entry.path is None) != (entry.url is None)
        if entry.path is not None:
            assert entry.path.stat().st_size == entry.size < 5_000_000
            assert open_atlas_file(entry.path).sha256 == entry.sha256
