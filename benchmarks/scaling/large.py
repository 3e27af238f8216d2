"""Twenty million cells on two local workers, stopped half way and begun again.

    python -m benchmarks.scaling.large

A million generated cells in 20 gzip files (``shared/tiled.py``) are given 20 times, under names of
their own, to one command with two worker processes of one thread each. It gets the signal of
Ctrl-C when half of the parts are there, has to end with 130 and keep them, and the same command
goes on. Memory is the largest sum over its processes, ten times a second. In the end each part
must hold what the first one of the same file holds, and no part that was kept may have changed.
Results go to ``benchmarks/results/cluster.json`` beside what ``simulate.py`` says of such a run,
and in words to ``docs/scaling.md``. Files that the operating system has read before are kept in
its memory, so that the disk is no part of it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas
import psutil

from benchmarks.scaling.cluster import ATLAS, fresh, queries
from benchmarks.scaling.simulate import simulate
from benchmarks.scaling.tables import measure_and_publish
from benchmarks.shared.command import parser
from benchmarks.shared.results import CACHE, RESULTS, read
from cellport.runtime.cluster.dataset import MANIFEST

WORKERS = 2
CANCELLED = 130


def under_other_names(options: argparse.Namespace, paths: list[str]) -> list[str]:
    """Give each file so many times."""
    folder = fresh(options, "names")
    folder.mkdir()
    names = []
    for copy in range(options.copies):
        for path in map(Path, paths):
            names.append(folder / f"{copy:02d}_{path.name}")
            names[-1].symlink_to(path.absolute())
    return [str(name) for name in names]


def run(command: list[str], out: Path, stop_at: int | None = None) -> dict[str, float]:
    """Run the command, or interrupt it when so many parts are there; seconds and peak megabytes."""
    began = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak, asked = 0.0, None
    while process.poll() is None:
        peak = max(peak, memory_of(process))
        if stop_at is not None and asked is None and len(list(out.glob("part-*"))) >= stop_at:
            asked = time.perf_counter()
            process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    code = process.wait()
    if code != (0 if stop_at is None else CANCELLED):
        raise SystemExit(f"ended with {code}: {process.stderr.read().decode()[-2000:]}")
    over = time.perf_counter()
    ending = {} if asked is None else {"seconds_to_stop": round(over - asked, 2)}
    return {"seconds": round(over - began, 1), "peak_mb": round(peak), **ending}


def memory_of(process: psutil.Process) -> float:
    """Megabytes of a process and of those that it started."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def check(out: Path, files: int) -> None:
    """Every part holds what the first one of the same file holds, but for the name of its query."""
    manifest = json.loads((out / MANIFEST).read_text())
    assert manifest["complete"]
    first: dict[tuple[int, int], Any] = {}
    of_query = {query["path"]: n % files for n, query in enumerate(manifest["queries"])}
    for part in manifest["parts"]:
        own = ["cell", "cellport_query"]
        found = pandas.read_parquet(out / part["file"]).drop(columns=own)
        key = of_query[part["query"]], part["start"]
        expected = first.setdefault(key, found)
        pandas.testing.assert_frame_equal(found, expected, check_exact=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    paths = queries(options)
    names = under_other_names(options, paths)
    out = fresh(options, "out_large")
    command = [sys.executable, "-m", "cellport", "map", ATLAS, *names, "-o", str(out)]
    command += ["--dask", "local", "--workers", str(WORKERS), "--threads", "1"]
    stopped = run(command, out, len(names) // 2)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    went_on = run(command, out)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    check(out, len(paths))
    written = sum(path.stat().st_size for path in out.iterdir())
    shutil.rmtree(out)
    n_cells = len(names) * options.cells
    seconds = stopped["seconds"] + went_on["seconds"]
    return {
        "cells": n_cells,
        "files": len(names),
        "copies": options.copies,
        "stopped": stopped,
        "parts_kept": len(kept),
        "went_on": went_on,
        "cells_a_second": round(n_cells / seconds),
        "written_gb": round(written / 1e9, 2),
        "simulated_seconds": round(simulated(len(names))),
    }


def simulated(parts: int) -> float:
    """Seconds of such a run by the simulation, from the stages that were measured last."""
    found = read(RESULTS / "scaling.json")["scaling"]
    stages = found["seconds_of_a_part"]
    return simulate(
        parts,
        WORKERS,
        [sum(stages.values())],
        found["bytes_a_part"],
        float("inf"),
        # the workers start twice, as the command does
        starting=2 * found["worker_start_seconds"],
        planning=2 * stages["opening"] * parts / WORKERS,
        task=found["dask_seconds_a_task"],
    )


def main() -> None:
    command = parser("scaling.cluster", __doc__, "out cache note table")
    command.add_argument("--files", type=int, default=20)
    command.add_argument("--cells", type=int, default=50_000, help="of each file")
    command.add_argument("--copies", type=int, default=20, help="of each file")
    command.set_defaults(cache=CACHE / "dask")
    # a shell that starts this in the background has it, and what it starts, ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    measure_and_publish(command, "large", measure)


if __name__ == "__main__":
    main()
