"""A headless browser that visits a site: what its tab shows, and how much memory it takes."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

from benchmarks.shared.results import ROOT

VISIT = ROOT / "web" / "page" / "tests" / "visit.mjs"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; yield its address."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def visit(
    address: str, out: Path, steps: list[list[Any]], height: int = 900, seconds: float = 300
) -> tuple[dict[str, Any], float]:
    """Take the steps of `VISIT`; return what they read, and memory of the tab."""
    with tempfile.TemporaryDirectory() as folder:
        plan = {
            "url": address,
            "chromium": shutil.which("chromium"),
            "profile": f"{folder}/profile",
            "out": str(out.resolve()),
            "width": 1440,
            "height": height,
            "dark": False,
            "webgl": True,
            "timeout": 1000 * seconds,
            "steps": steps,
        }
        path = Path(folder, "plan.json")
        path.write_text(json.dumps(plan))
        command = ["node", str(VISIT), str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peak = Peak(process.pid)
        said, _ = process.communicate()
        memory = peak.stop()
    found = json.loads(said)
    if found["failed"]:
        raise SystemExit(f"the visit failed: {found['failed']}")
    return found["values"], memory


class Peak:
    """Largest memory of a browser's tabs, looked at while it runs."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._most = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        """Return it, in MB."""
        self._over.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            # some end while they are looked at
            with suppress(psutil.Error):
                for process in psutil.Process(self._root).children(recursive=True):
                    if "--type=renderer" in process.cmdline():
                        proportional = process.memory_full_info().pss / 1024**2
                        self._most = max(self._most, proportional)
