"""Map a large file in the page: seconds, how long the page was deaf, and memory of the tab.

    npm install --prefix web/page && npm run build --prefix web/page
    python -m benchmarks.mapping.page

A published site is opened with Chromium, each round in a fresh profile, and a generated query
(``shared/tiled.py``) chosen there. Seconds run from choosing the file to the shown result. While it
maps, the longest task on the page's main thread is what a click may have had to wait for; memory is
the largest proportional set size of the tab's process, worker included. Graphics are done in
software, which takes processor time from the mapping that a graphics card would not. Results go to
``benchmarks/results/page.json``.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.mapping.browser import served, visit
from benchmarks.shared.command import parser
from benchmarks.shared.results import facts, write
from benchmarks.shared.tiled import N_GENES, kept_file
from cellport.runtime.fetch.pull import find_atlas
from cellport.web.server.publish import publish

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


def main() -> None:
    command = parser("mapping.page", __doc__, "out cache")
    command.add_argument("--cells", type=int, default=50_000)
    command.add_argument("--atlas", default="lung-demo")
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--seconds", type=float, default=300, help="to give up after")
    options = command.parse_args()
    query = kept_file(options.cache / f"query_{options.cells}_gzip.h5ad", options.cells)
    publish(find_atlas(options.atlas), options.cache / "site")
    runs = []
    with served(options.cache / "site") as address:
        for _ in range(options.rounds):
            runs.append(one_round(address, query.resolve(), options.seconds))
            print(json.dumps(runs[-1]), flush=True)
    median = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    asked = {"atlas": options.atlas, "cells": options.cells, "genes": N_GENES}
    made = facts("; graphics in software") | asked | {"median": median, "runs": runs}
    write(options.out, made)
    print(json.dumps(median))


if __name__ == "__main__":
    main()
