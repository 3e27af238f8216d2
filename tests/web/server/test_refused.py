"""What a server is not started with, and connections that it does not take."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from starlette.responses import PlainTextResponse

from cellport.runtime.errors import InputError
from cellport.web.server import links, site
from cellport.web.server.bounded import is_too_large
from cellport.web.server.guard import Access, Guard
from cellport.web.server.limits import parse_size
from cellport.web.server.links import refuse_links
from cellport.web.server.serve import serve
from cellport.web.server.site import read_example


def test_sizes() -> None:
    assert [parse_size(text) for text in ("7", "500MB", " 2 gb")] == [7, 500 * 10**6, 2 * 10**9]
    for text in ("", "0", "-1", "2XB", "1.5GB", "9999999999"):
        with pytest.raises(InputError, match="is not a size; write it as 500MB or 2GB"):
            parse_size(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"token": "a b"}, "The token may hold letters, digits and plain signs only"),
        ({"token": "a;b"}, "The token may hold letters, digits and plain signs only"),
        ({"host": "localhost", "port": 70_000}, "Cannot listen on localhost port 70000"),
        ({"port": -1}, r"Cannot listen on 127.0.0.1 port -1 \(ports are 0 to 65535\)"),
    ],
)
def test_addresses_and_tokens_that_are_none(
    options: dict[str, Any], said: str, tiny_atlas_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        serve(tiny_atlas_path, with_page=False, **options)


def test_a_port_that_is_taken(tiny_atlas_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"Cannot listen on 127.0.0.1 port {port} .*in use"):
            serve(tiny_atlas_path, port=port, with_page=False)


def test_example_cells_that_no_visit_should_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cells.h5ad"
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_example(path)
    path.write_bytes(b"x" * 100)
    assert read_example(path).data == b"x" * 100
    monkeypatch.setattr(site, "_LARGEST_EXAMPLE", 99)
    with pytest.raises(InputError, match="which every visit would fetch"):
        read_example(path)
    with pytest.raises(InputError, match=r"have to be an \.h5ad file"):
        read_example(tmp_path / "cells.csv")


def test_files_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "query.h5ad"
    with h5py.File(path, "w") as file:
        for number in range(5):
            file[f"obs/{number}"] = np.arange(3)
        file["soft"] = h5py.SoftLink("/obs/0")
    refuse_links(str(path))
    monkeypatch.setattr(links, "_MOST_LINKS", 6)
    with pytest.raises(InputError, match="holds more than 6 groups and arrays"):
        refuse_links(str(path))


def answered(kind: str = "http", **headers: str) -> list[Any]:
    """What a guarded app says to a POST."""
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message.get("status", message.get("code", message.get("body"))))

    stated = {"host": "localhost:8787", **headers}
    scope: Any = {
        "type": kind, "method": "POST", "path": "/api/map", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in stated.items()],
    }  # fmt: skip
    asyncio.run(Guard(PlainTextResponse("yes"), Access())(scope, receive, send))
    return said


def test_who_may_ask() -> None:
    assert answered() == [200, b"yes"]
    assert answered(origin="http://localhost:8787") == [200, b"yes"]
    assert answered(origin="http://[")[0] == 403
    assert answered(origin="http://example.org")[0] == 403
    assert answered(host="[::1")[0] == 400
    assert answered(host="example.org")[0] == 400
    assert answered("websocket") == [1008]


def test_errors_of_a_file_that_grew_too_large_are_known_by_their_cause() -> None:
    error = ValueError("no")
    assert not is_too_large(error)
    error.__cause__ = OSError(27, "File too large")
    assert is_too_large(error)
