"""Map a large file in the page: seconds, how long the page was deaf, and memory of the tab.

    npm install --prefix web/page && npm run build --prefix web/page
    python benchmarks/page.py

A published site is opened with Chromium, each round in a fresh profile, and a generated query
(``tiled.py``) chosen there. Seconds run from choosing the file to the shown result. While it maps,
the longest task on the page's main thread is what a click may have had to wait for; memory is the
largest proportional set size of the tab's process, worker included. Graphics are done in software,
which takes processor time from the mapping that a graphics card would not. Results go to
``benchmarks/results/page.json``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cellport
from cellport.runtime.fetch.pull import find_atlas
from cellport.web.server.publish import publish

HERE = Path(__file__).resolve().parent
WEB = HERE.parent / "web"
# tasks of more than 50 ms, and how late a timer of 20 ms is: the latter counts other programs too
WATCH = """(() => {
  window.longest = 0; window.late = 0; window.tasks = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      window.tasks++; window.longest = Math.max(window.longest, duration);
    }
  }).observe({ entryTypes: ["longtask"] });
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    window.late = Math.max(window.late, now - last - 20); last = now;
  }, 20);
  return performance.now();
})()"""


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
    """Take the steps of ``web/tests/visit.mjs``; return what they read, and memory of the tab."""
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
        command = ["node", "tests/visit.mjs", str(path)]
        process = subprocess.Popen(command, cwd=WEB, stdout=subprocess.PIPE, text=True)
        peak = Peak(process.pid)
        said, _ = process.communicate()
        memory = peak.stop()
    found = json.loads(said)
    if found["failed"]:
        raise SystemExit(f"the visit failed: {found['failed']}")
    return found["values"], memory


def one_round(address: str, query: Path, seconds: float) -> dict[str, float]:
    """Open the site, map the query, and return what was measured."""
    steps: list[list[Any]] = [
        ["verified"],
        ["wait", 1000],
        ["evaluate", ["began", WATCH]],
        ["choose", [str(query)]],
        ["mapped"],
        ["evaluate", ["ended", "performance.now()"]],
        ["wait", 300],
        *(["evaluate", [name, f"window.{name}"]] for name in ("longest", "late", "tasks")),
    ]
    values, memory = visit(address, query.parent, steps, seconds=seconds)
    return {
        "seconds": round((values["ended"] - values["began"]) / 1000, 1),
        "longest_task_ms": round(values["longest"]),
        "tasks_over_50_ms": values["tasks"],
        "latest_timer_ms": round(values["late"]),
        "tab_memory_mb": round(memory),
    }


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
            tabs = [pid for pid in descendants(self._root) if is_tab(pid)]
            self._most = max([self._most, *(proportional_mb(pid) for pid in tabs)])


def descendants(root: int) -> list[int]:
    parent = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, above in parent.items() if above == pid]
    return found


def is_tab(pid: int) -> bool:
    try:
        return b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def proportional_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=50_000)
    parser.add_argument("--atlas", default="lung-demo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=300, help="to give up after")
    parser.add_argument("--folder", type=Path, default=HERE / "cache" / "page")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "page.json")
    options = parser.parse_args()
    query = options.folder / f"query_{options.cells}_gzip.h5ad"
    options.folder.mkdir(parents=True, exist_ok=True)
    if not query.exists():
        from tiled import make_file

        make_file(query, options.cells)
    publish(find_atlas(options.atlas), options.folder / "site")
    runs = []
    with served(options.folder / "site") as address:
        for _ in range(options.rounds):
            runs.append(one_round(address, query.resolve(), options.seconds))
            print(json.dumps(runs[-1]), flush=True)
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": f"2 processors, {platform.machine()}, shared; graphics in software",
        "cellport": cellport.__version__,
        "atlas": options.atlas,
        "cells": options.cells,
        "genes": 20_000,
        "median": {name: statistics.median(run[name] for run in runs) for name in runs[0]},
        "runs": runs,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["median"]))


if __name__ == "__main__":
    main()
