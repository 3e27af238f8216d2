"""A real server on a free port, and files to send to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The one sentence of a refusal, which names no place on the server."""
        said: str = self.json["error"]
        assert list(self.json) == ["error"]
        assert "\n" not in said
        assert said[0].isupper() or said.startswith("upload.h5")
        assert not any(word in said for word in ("/tmp", "/root", "/home", "cellport-serve", ".py"))
        return said


@dataclass(frozen=True)
class Running:
    """A server process, and the folder it keeps its temporary files in."""

    port: int
    token: str
    temporary: Path
    process: subprocess.Popen[str]

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def map(self, body: Any, query: str = "", **headers: str) -> Answer:
        return self.ask("POST", f"/api/map{query}", body, headers)

    def leftovers(self) -> list[str]:
        """Files of jobs; the folder they lie in stays while the server runs."""
        return [path.name for path in self.temporary.glob("cellport-serve-*/*")]

    def mapping(self) -> bool:
        """Whether a worker is writing a result."""
        return any(self.temporary.glob("cellport-serve-*/*/.result.csv.*.part"))

    def is_idle_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.leftovers() and self.ask("GET", "/api/health").json["jobs"] == 0:
                return True
            time.sleep(0.05)
        return False


@contextmanager
def _running(atlas: Path, temporary: Path, *options: str) -> Iterator[Running]:
    temporary.mkdir()
    command = [sys.executable, "-m", "cellport", "serve", str(atlas), "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=temporary,
        env={**os.environ, "TMPDIR": str(temporary), "CELLPORT_DEBUG": "1"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    complaints: list[str] = []
    reading = threading.Thread(target=lambda: complaints.extend(process.stderr or ()))
    reading.start()
    try:
        said = "".join(process.stdout.readline() for _ in range(4))
        if not said:
            reading.join()
            pytest.fail(f"the server did not start: {''.join(complaints)}")
        url = json.loads(said)
        port = int(url["url"].split(":")[2].split("/")[0])
        yield Running(port, url["token"], temporary, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        reading.join()
        process.stdout.close()
        process.stderr.close()
    assert not list(temporary.glob("cellport-*")), "files were left behind"
    assert "Traceback" not in "".join(complaints), "".join(complaints)


@pytest.fixture(scope="session")
def run_server(
    tiny_atlas_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    def run(*options: str, atlas: Path = tiny_atlas_path) -> Any:
        temporary = tmp_path_factory.mktemp("serve") / "tmp"
        return _running(atlas, temporary, *options)

    return run


@pytest.fixture(scope="session")
def server(run_server: Callable[..., Any]) -> Iterator[Running]:
    with run_server("--no-page", "--max-upload", "2MB") as running:
        yield running


@pytest.fixture(scope="session")
def lung_demo() -> Path:
    return Path(__file__).resolve().parents[2] / "models" / "pretrained" / "lung.cellport"


@pytest.fixture(scope="session")
def query(tiny_cells: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("query") / "cells.h5ad"
    tiny_cells.adata().write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def claiming(tiny_cells: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Make a small file of 20 cells and any number of empty ones, `stored` or only claimed."""
    few = tiny_cells.counts[:20]
    path = tmp_path_factory.mktemp("claiming") / "cells.h5ad"

    def make(n_cells: int, stored: bool = True) -> bytes:
        how: dict[str, Any] = {"chunks": (4096,), "compression": "gzip", "compression_opts": 1}
        with h5py.File(path, "w") as file:
            x = file.create_group("X")
            x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
            x.attrs["shape"] = (n_cells, few.shape[1])
            x["data"], x["indices"] = few.data, few.indices.astype(np.int32)
            starts = x.create_dataset("indptr", (n_cells + 1,), "i8", fillvalue=few.nnz, **how)
            starts[:21] = few.indptr
            if stored:
                starts[21:] = few.nnz
            for name, index in (("obs", None), ("var", tiny_cells.symbols)):
                group = file.create_group(name)
                group.attrs.update({"_index": "_index", "encoding-type": "dataframe"})
                group.attrs["column-order"] = np.array([], "S1")
                if index is None:
                    names = group.create_dataset("_index", (n_cells,), "S1", fillvalue=b"c", **how)
                    if stored:
                        names[:] = b"c"
                else:
                    group["_index"] = np.array(index, h5py.string_dtype())
        return path.read_bytes()

    return make
