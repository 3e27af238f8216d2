"""Visits to a published site with a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# the example cells mapped, and drawn
MAPPED: list[list[Any]] = [["verified"], ["click", "#example"], ["mapped"], ["wait", 300]]
WEB = Path(__file__).resolve().parents[1] / "web" / "page"


def visit(
    site: str, tmp_path: Path, *steps: list[Any], limit: float = 600, **changes: Any
) -> dict[str, Any]:
    plan = {
        "url": site,
        "chromium": shutil.which("chromium"),
        "profile": str(tmp_path / "profile"),
        "out": str(tmp_path),
        "width": 1440,
        "height": 900,
        "dark": False,
        "webgl": False,
        "steps": list(steps),
        **changes,
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = subprocess.run(
        ["node", "tests/visit.mjs", str(tmp_path / "plan.json")],
        cwd=WEB,
        capture_output=True,
        text=True,
        timeout=limit,
    )
    assert done.returncode == 0, done.stderr
    out: dict[str, Any] = json.loads(done.stdout)
    assert out["failed"] is None, out
    return out


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
