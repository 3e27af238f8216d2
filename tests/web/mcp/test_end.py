"""A server that is told to end does so at once, and leaves nothing of what it was at."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def busy(folder: Path, out: Path, many: list[str]) -> Any:
    """A server in the middle of a mapping."""
    command = [sys.executable, "-m", "cellport", "mcp", "--folder", str(folder), "--out", str(out)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, stderr=subprocess.PIPE)

    def send(**message: Any) -> None:
        process.stdin.write(f"{json.dumps({'jsonrpc': '2.0', **message})}\n".encode())
        process.stdin.flush()

    client = {"capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    send(id=1, method="initialize", params={"protocolVersion": "2025-06-18", **client})
    assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "cellport"
    send(method="notifications/initialized")
    asked = {"atlas": "lung", "files": many, "out": "m.h5ad"}
    call = {"name": "map_cells", "arguments": asked, "_meta": {"progressToken": 1}}
    send(id=2, method="tools/call", params=call)
    assert json.loads(process.stdout.readline())["method"] == "notifications/progress"
    yield process
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (lambda process: process.stdin.close(), 0),
        (lambda process: process.send_signal(signal.SIGINT), 130),
        (lambda process: process.send_signal(signal.SIGTERM), 143),
    ],
    ids=["the client goes", "Ctrl-C", "SIGTERM"],
)
def test_it_ends_at_once(how: Callable[[Any], None], code: int, busy: Any, out: Path) -> None:
    assert list(out.iterdir())
    began = time.monotonic()
    how(busy)
    assert busy.wait(20) == code
    assert time.monotonic() - began < 5
    assert not list(out.iterdir())
    assert b"Traceback" not in busy.stderr.read()
