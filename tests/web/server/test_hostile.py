"""What is sent to a server to break it: damaged files, claims, half a request."""

from __future__ import annotations

import gzip
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from damaged_files import drawn, files, other_lengths

from cellport.web.server.patience import HEAD_SECONDS
from cellport.web.server.site import PAGE

DRAWS = int(os.environ.get("CELLPORT_DRAWS", "60"))
# more than a server takes on at a time
HALF_SENT = 560


def test_damaged_files_are_never_a_fault_of_the_server(
    server: Any, tiny_cells: Any, tmp_path: Path
) -> None:
    def answered(number: int, one: Any) -> int:
        path = tmp_path / f"{number}.h5"
        one.write(path, tiny_cells.symbols.tolist())
        answer = server.map(path.read_bytes(), "?format=csv")
        path.unlink()
        if answer.status != 200:
            assert answer.status == 422, (one, answer.body)
            assert len(answer.error) > 20
        return int(answer.status)

    damaged = [*other_lengths, *drawn(files, DRAWS)]
    with ThreadPoolExecutor(4) as pool:
        statuses = Counter(pool.map(answered, range(len(damaged)), damaged))
    print(statuses)
    assert statuses[422] > len(damaged) / 4
    assert statuses[200]
    assert server.is_idle_within(20)


@pytest.mark.parametrize("n_cells", [1_000_000, 30_000_000])
def test_cells_that_are_only_claimed_are_refused_at_once(
    server: Any, claiming: Callable[..., bytes], n_cells: int
) -> None:
    began = time.monotonic()
    answer = server.map(claiming(n_cells, stored=False))
    assert answer.status == 422
    assert "more than this file can hold" in answer.error
    assert time.monotonic() - began < 10


def test_a_result_that_is_too_large_is_refused(
    run_server: Callable[..., Any], claiming: Callable[..., bytes]
) -> None:
    with run_server("--no-page", "--max-upload", "1MB") as running:
        answer = running.map(claiming(1_200_000))
        assert answer.status == 422
        assert "more than the 100,000,000 bytes of results" in answer.error


def test_half_sent_requests_take_nobodys_place(server: Any) -> None:
    links = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(HALF_SENT)]
    try:
        for link in links:
            link.sendall(b"GET /api/health HTTP/1.1\r\nHost: local")
        assert server.ask("GET", "/api/health").status == 200
        links[0].settimeout(HEAD_SECONDS + 20)
        assert links[0].recv(100) == b""
        assert server.ask("GET", "/api/health").status == 200
    finally:
        for link in links:
            link.close()


def test_files_that_were_compressed_on_their_way_are_refused(server: Any, query: Path) -> None:
    body = gzip.compress(query.read_bytes())
    answer = server.map(body, **{"Content-Encoding": "gzip"})
    assert answer.status == 415
    assert "without a Content-Encoding" in answer.error
    assert answer.headers["accept-encoding"] == "identity"
    assert server.map(query.read_bytes(), **{"Content-Encoding": "identity"}).status == 200


def test_parts_are_sent_once(server: Any, tiny_atlas: Any) -> None:
    part = "/atlas/arrays/basis.npy"
    first = server.ask("GET", part)
    assert first.body == bytes(tiny_atlas.read("arrays/basis.npy"))
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    again = server.ask("GET", part, headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert server.ask("GET", part, headers={"If-None-Match": "*"}).status == 304
    whole = server.ask("GET", "/api/atlas").json["download"]
    known = {"If-None-Match": server.ask("HEAD", whole).headers["etag"]}
    assert server.ask("GET", whole, headers=known).status == 304
    assert server.ask("GET", whole, headers={"If-None-Match": tag}).status == 200
    kept = server.ask("GET", f"{part}?v={tag[1:17]}")
    assert "immutable" in kept.headers["cache-control"]
    assert server.ask("GET", f"{part}?v=0").headers["cache-control"] == "private, no-cache"
    head = server.ask("HEAD", part)
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == len(first.body)
    packed = server.ask("GET", "/atlas/manifest.json", headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    plain = server.ask("GET", "/atlas/manifest.json", headers={"Accept-Encoding": "gzip;q=0"})
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.skipif(not (PAGE / "index.html").is_file(), reason="the page has not been built")
def test_the_page_is_small_on_its_way_and_other_methods_are_named(
    run_server: Callable[..., Any],
) -> None:
    with run_server() as running:
        packed = {"Accept-Encoding": "gzip"}
        index = running.ask("GET", "/", headers=packed)
        assert index.headers["content-type"].startswith("text/html")
        assert index.headers["cache-control"] == "private, no-cache"
        sizes = []
        for file in (PAGE / "assets").iterdir():
            answer = running.ask("GET", f"/assets/{file.name}", headers=packed)
            assert answer.status == 200
            assert "immutable" in answer.headers["cache-control"]
            came = "content-encoding" in answer.headers
            assert (gzip.decompress(answer.body) if came else answer.body) == file.read_bytes()
            sizes.append(len(answer.body))
        print(f"{sum(sizes):,} bytes of the page")
        assert sum(sizes) < 7_000_000
        for method, path, allowed in (
            ("GET", "/api/map", "POST"),
            ("POST", "/api/health", "GET"),
            ("PUT", "/atlas/manifest.json", "GET"),
            ("POST", "/index.html", "GET"),
        ):
            answer = running.ask(method, path)
            assert answer.status == 405, path
            assert allowed in answer.headers["allow"]
            assert answer.error
        assert running.ask("GET", "/nothing").status == 404
