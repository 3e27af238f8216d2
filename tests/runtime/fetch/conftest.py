"""A server that answers as CellTypist's and the Hugging Face hub do."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from cellport.runtime.fetch import download

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARD = b"""---
license: cc-by-4.0
library_name: scvi-tools
tags:
- biology
---

ScANVI is ...

# Model Description

Lungs.

# References

Sikkema et al. (2023).
Nature Medicine.
"""


@dataclass
class Repository:
    """A repository of the Hugging Face hub."""

    files: dict[str, bytes] = field(default_factory=lambda: {"README.md": CARD})
    large: set[str] = field(default_factory=set)  # in LFS, which lies on another server
    card_data: dict[str, Any] | None = None
    gated: bool = False
    private: bool = False
    lets_in: str = "hf_friend"  # the token that opens it
    tags: tuple[str, ...] = ("main", COMMIT)
    blobs: bool = True  # says sizes and hashes, as some mirrors do not
    wrong: dict[str, Any] = field(default_factory=dict)  # what it says of each file, wrongly


@dataclass
class Hubs:
    """Two servers: the hub, and the storage that its large files lie in."""

    hub: str = ""
    storage: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    index: Any = None
    pickles: dict[str, bytes] = field(default_factory=dict)
    busy: str | None = None  # Retry-After of answers 429
    break_after: int = 0
    breaks: int = 0
    # of every request: which server, path, Range, Authorization
    asked: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)

    def add(self, name: str, files: dict[str, bytes], **of: Any) -> Repository:
        repository = Repository(**of)
        repository.files |= files
        self.repositories[name] = repository
        return repository

    def list_pickles(self, **pickles: Path) -> None:
        self.pickles = {name: path.read_bytes() for name, path in pickles.items()}
        rows = [
            {
                "filename": f"{name}.pkl",
                "url": f"{self.storage}/models/{name}/v2/{name}.pkl",
                "version": "v2",
                "date": "2022-07-16 00:20:42.927778",
                "details": f"cells of {name}",
                "No_celltypes": 98,
                "source": "https://doi.org/10.1126/science.abl5197",
            }
            for name in pickles
        ]
        self.index = {"description": "CellTypist model list", "models": rows}


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        hubs: Hubs = self.server.hubs
        asked, token = self.headers.get("Range"), self.headers.get("Authorization")
        hubs.asked.append((self.server.kind, self.path, asked, token))
        if hubs.busy is not None:
            self._fail(429, **{"Retry-After": hubs.busy})
        elif self.server.kind == "storage":
            self._storage(hubs, unquote(self.path))
        elif self.path.startswith("/api/models/"):
            self._api(hubs)
        elif self.path == "/models.json" and hubs.index is not None:
            self._send(json.dumps(hubs.index).encode())
        else:
            self._resolve(hubs)

    def _storage(self, hubs: Hubs, path: str) -> None:
        if path.startswith("/lfs/"):
            owner, repo, name = path.removeprefix("/lfs/").split("/", 2)
            self._send(hubs.repositories[f"{owner}/{repo}"].files[name])
        elif (stem := path.rpartition("/")[2].removesuffix(".pkl")) in hubs.pickles:
            self._send(hubs.pickles[stem])
        else:
            self._fail(404)

    def _api(self, hubs: Hubs) -> None:
        parts = urlsplit(self.path)
        name, _, revision = unquote(parts.path.removeprefix("/api/models/")).partition("/revision/")
        repository = self._let_in(hubs, name, gates=False)
        if repository is None:
            return
        if revision and revision not in repository.tags:
            self._fail(404, **{"X-Error-Code": "RevisionNotFound"})
            return
        rows = [
            {"rfilename": path, **(_blob(repository, path) if repository.blobs else {})}
            for path in repository.files
        ]
        info = {"id": name, "sha": COMMIT, "siblings": rows, "cardData": repository.card_data}
        self._send(json.dumps(info).encode())

    def _resolve(self, hubs: Hubs) -> None:
        name, _, rest = unquote(urlsplit(self.path).path)[1:].partition("/resolve/")
        revision, _, path = rest.partition("/")
        repository = self._let_in(hubs, name, gates=True)
        if repository is None:
            return
        if revision not in repository.tags or path not in repository.files:
            code = "Entry" if revision in repository.tags else "Revision"
            self._fail(404, **{"X-Error-Code": f"{code}NotFound"})
        elif path in repository.large:
            self._lead(f"{hubs.storage}/lfs/{name}/{path}")
        elif not self.path.endswith("?cached"):
            self._lead(f"{self.path}?cached")  # on the same server, as the hub does
        else:
            self._send(repository.files[path])

    def _let_in(self, hubs: Hubs, name: str, *, gates: bool) -> Repository | None:
        token = self.headers.get("Authorization")
        repository = hubs.repositories.get(name)
        known = repository is not None and token == f"Bearer {repository.lets_in}"
        if token == "Bearer hf_wrong":
            self._fail(401)
        elif repository is None or (repository.private and not known):
            self._fail(404 if token else 401, **{"X-Error-Code": "RepoNotFound"})
        elif gates and repository.gated and not known:
            self._fail(403 if token else 401, **{"X-Error-Code": "GatedRepo"})
        else:
            return repository
        return None

    def _lead(self, to: str) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _fail(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, data: bytes) -> None:
        hubs: Hubs = self.server.hubs
        asked = self.headers.get("Range")
        start = int(asked[6:-1]) if asked else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if hubs.breaks > 0 and len(body) > hubs.break_after:
            hubs.breaks -= 1
            body = body[: hubs.break_after]
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _blob(repository: Repository, path: str) -> dict[str, Any]:
    data = repository.files[path]
    of: dict[str, Any] = {"size": len(data)}
    of["blobId"] = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
    if path in repository.large:
        sha256 = hashlib.sha256(data).hexdigest()
        of["blobId"], of["lfs"] = "0" * 40, {"sha256": sha256, "size": len(data)}
    return of | repository.wrong.get(path, {})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("CELLPORT_CACHE", str(folder))
    return folder


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hubs]:
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    said = Hubs()
    servers = []
    for kind in ("hub", "storage"):
        http: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        http.hubs, http.kind = said, kind
        setattr(said, kind, f"http://127.0.0.1:{http.server_address[1]}")
        threading.Thread(target=http.serve_forever, args=(0.02,)).start()
        servers.append(http)
    monkeypatch.setenv("HF_ENDPOINT", said.hub)
    monkeypatch.setenv("CELLPORT_CELLTYPIST_INDEX", f"{said.hub}/models.json")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield said
    for http in servers:
        http.shutdown()
        http.server_close()
