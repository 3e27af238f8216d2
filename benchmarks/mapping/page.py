"""Map a large file in the page: seconds, how long the page was deaf, and memory of the tab.

    npm install --prefix web/page && npm run build --prefix web/page
    python -m benchmarks.mapping.page
    python -m benchmarks.mapping.page --shallow 1000000 --rounds 1

A published site is opened with Chromium, each round in a fresh profile, and a generated query
(``shared/tiled.py``) chosen there. Seconds run from choosing the file to the shown result. While it
maps, the longest task on the page's main thread is what a click may have had to wait for; memory is
the largest proportional set size of the tab's process, worker included. Graphics are done in
software, which takes processor time from the mapping that a graphics card would not. With
``--shallow`` the query has that many cells, of 2,000 genes and 80 counts each, and milliseconds
from one frame of the map to the next are measured too, while it is moved, zoomed and pointed at.
Results go to ``benchmarks/results/page.json``.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.mapping.browser import served, visit
from benchmarks.shared.command import parser
from benchmarks.shared.results import facts, read, write
from benchmarks.shared.tiled import N_GENES, kept_few_counts, kept_file
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

# medians of milliseconds from frame to frame
FRAMES = """(async () => {
  const canvas = document.querySelector("#canvas");
  const { left, top } = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  const at = (x, y) => ({ pointerId: 7, clientX: left + x, clientY: top + y, bubbles: true });
  const point = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, at(x, y)));
  const turn = (deltaY) =>
    canvas.dispatchEvent(new WheelEvent("wheel", { ...at(300, 300), deltaY, cancelable: true }));
  const frame = () => new Promise(requestAnimationFrame);
  const measured = async (act) => {
    const took = [];
    for (let i = 0; i < 30; i++) {
      const began = performance.now();
      act(i);
      await frame();
      await frame();
      took.push((performance.now() - began) / 2);
    }
    return took.sort((a, b) => a - b)[15];
  };
  const hover = (i) => point("pointermove", 200 + ((37 * i) % 500), 150 + ((23 * i) % 400));
  const found = { pointed_at: await measured(hover) };
  point("pointerdown", 300, 300);
  found.moved = await measured((i) => point("pointermove", 300 + 4 * i, 300 + 2 * i));
  point("pointerup", 0, 0);
  found.zoomed = await measured((i) => turn(i % 2 ? 120 : -160));
  return found;
})()"""


def one_round(address: str, query: Path, seconds: float, frames: bool = False) -> dict[str, float]:
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
        *([["evaluate", ["frames", FRAMES]]] if frames else []),
    ]
    values, memory = visit(address, query.parent, steps, seconds=seconds)
    return {
        "seconds": round((values["ended"] - values["began"]) / 1000, 1),
        "longest_task_ms": round(values["longest"]),
        "tasks_over_50_ms": values["tasks"],
        "latest_timer_ms": round(values["late"]),
        "tab_memory_mb": round(memory),
        **{f"frame_ms_{how}": round(ms) for how, ms in values.get("frames", {}).items()},
    }


def main() -> None:
    command = parser("mapping.page", __doc__, "out cache")
    command.add_argument("--cells", type=int, default=50_000)
    command.add_argument("--shallow", type=int, default=0)
    command.add_argument("--atlas", default="lung")
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--seconds", type=float, default=300, help="to give up after")
    options = command.parse_args()
    shallow = options.shallow
    if shallow:
        query = kept_few_counts(options.cache / f"shallow_{shallow}.h5ad", shallow)
    else:
        query = kept_file(options.cache / f"query_{options.cells}_gzip.h5ad", options.cells)
    publish(find_atlas(options.atlas), options.cache / "site")
    runs = []
    with served(options.cache / "site") as address:
        for _ in range(options.rounds):
            runs.append(one_round(address, query.resolve(), options.seconds, shallow > 0))
            print(json.dumps(runs[-1]), flush=True)
    median = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    asked = {"atlas": options.atlas, "cells": shallow or options.cells}
    made = facts("; graphics in software") | asked | {"median": median, "runs": runs}
    kept = read(options.out)
    if shallow:
        write(options.out, kept | {"shallow": made})
    else:
        old = {"shallow": kept["shallow"]} if "shallow" in kept else {}
        write(options.out, made | {"genes": N_GENES} | old)
    print(json.dumps(median))


if __name__ == "__main__":
    main()
