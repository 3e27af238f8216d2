"""Mapping on local Dask workers: how much faster two are, and that kills cost nothing.

    python -m benchmarks.scaling.cluster --only speed                         20 files of 50,000
    python -m benchmarks.scaling.cluster --only kills restarts --cells 2000   20 files of 2,000

``speed`` maps all files with one and with two worker processes of one thread each, in turns, and
compares both results with those of one process without Dask. ``kills`` sends SIGKILL to a worker
three times during a run. ``restarts`` sends SIGKILL to the whole command at a random moment, gives
it again, and does so 20 times. After each, every cell must be there exactly once, and all results
equal those of one process bit for bit. Results go to ``benchmarks/results/cluster.json`` and,
in words, to ``docs/scaling.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas
from pandas.testing import assert_frame_equal

import cellport
from benchmarks.scaling.tables import publish
from benchmarks.shared.command import parser
from benchmarks.shared.results import CACHE, add
from benchmarks.shared.tiled import kept_file
from benchmarks.shared.timing import kill_after
from cellport.runtime.cluster.dataset import MANIFEST
from cellport.runtime.cluster.local import connected

ATLAS = "lung"


def queries(options: argparse.Namespace) -> list[str]:
    """Files that are made once: a few minutes for a million cells."""
    paths = (options.cache / f"query_{n:02d}_{options.cells}.h5ad" for n in range(options.files))
    return [str(kept_file(path, options.cells, "gzip", n)) for n, path in enumerate(paths)]


def single(options: argparse.Namespace, paths: list[str]) -> tuple[Path, float]:
    """Map in one process without Dask, on one thread."""
    out = options.cache / "single.parquet"
    atlas, began = cellport.load_atlas(ATLAS), time.perf_counter()
    cellport.map_files(atlas, paths, out, cellport.MapOptions(threads=1))
    return out, time.perf_counter() - began


def check(out: Path, expected: Path) -> None:
    """Every range once in the manifest, every cell once, and every value as in one process."""
    manifest = json.loads((out / MANIFEST).read_text())
    assert manifest["complete"]
    ranges: dict[str, list[tuple[int, int]]] = {}
    for part in manifest["parts"]:
        ranges.setdefault(part["query"], []).append((part["start"], part["stop"]))
    for query in manifest["queries"]:
        found = ranges[query["path"]]
        stops = [0, *(stop for _, stop in found)]
        assert [start for start, _ in found] == stops[:-1]
        assert stops[-1] == query["facts"]["n_cells"]
    assert {p.name for p in out.iterdir()} == {MANIFEST, *(p["file"] for p in manifest["parts"])}
    found, wanted = pandas.read_parquet(out), pandas.read_parquet(expected)
    assert not found.duplicated(["cell", "cellport_query"]).any()
    assert_frame_equal(found, wanted, check_exact=True)


def fresh(options: argparse.Namespace, name: str) -> Path:
    out: Path = options.cache / name
    shutil.rmtree(out, ignore_errors=True)
    return out


def speed(options: argparse.Namespace) -> dict[str, Any]:
    paths = queries(options)
    for path in paths:  # so that no run has to wait for the disk
        Path(path).read_bytes()
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for workers, taken in seconds.items():
            out = fresh(options, f"out_{workers}")
            with connected("local", workers, 1) as client:
                client.wait_for_workers(workers)
                summary = cellport.map_dask(ATLAS, paths, client, out)
            taken.append(summary.seconds)
            print(f"{workers} workers: {summary.seconds:.1f} s", flush=True)
    expected, alone = single(options, paths)
    for workers in seconds:
        check(options.cache / f"out_{workers}", expected)
    one, two = (statistics.median(taken) for taken in seconds.values())
    n_cells = options.files * options.cells
    return {
        "cells": n_cells,
        "files": options.files,
        "one_process_without_dask_seconds": round(alone, 2),
        "one_worker_seconds": seconds[1],
        "two_workers_seconds": seconds[2],
        "cells_per_second": {"one": round(n_cells / one), "two": round(n_cells / two)},
        "speed_up": round(one / two, 3),
        "identical_to_one_process": True,
    }


@contextmanager
def killing(client: Any, times: int, chance: random.Random, mean: float) -> Iterator[list[int]]:
    """Kill a random worker so many times, at random moments, while the ``with`` block runs."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < times and not over.wait(chance.uniform(0.3, 1.7) * mean):
            with suppress(OSError):  # one of them is starting again
                pids = client.run(os.getpid, on_error="ignore").values()
                alive = [pid for pid in pids if pid not in killed]
                if alive:
                    killed.append(chance.choice(alive))
                    os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def kills(options: argparse.Namespace) -> dict[str, Any]:
    paths = queries(options)
    expected, alone = single(options, paths)
    chance = random.Random(options.seed)
    part_cells = max(1, options.cells // 4)
    counts = []
    for _ in range(options.kill_runs):
        out = fresh(options, "out_killed")
        with connected("local", 2, 1) as client:
            client.wait_for_workers(2)
            with killing(client, 3, chance, alone / 8) as killed:
                cellport.map_dask(ATLAS, paths, client, out, part_cells=part_cells)
        check(out, expected)
        counts.append(len(killed))
        print(f"{len(killed)} workers killed, result identical", flush=True)
    return {
        "cells": options.files * options.cells,
        "files": options.files,
        "parts": options.files * -(-options.cells // part_cells),
        "workers_killed": counts,
        "identical_to_one_process": True,
    }


def restarts(options: argparse.Namespace) -> dict[str, Any]:
    paths = queries(options)
    expected, _ = single(options, paths)
    part_cells = str(max(1, options.cells // 4))
    chance = random.Random(options.seed)
    out = fresh(options, "out_restarted")
    command = [sys.executable, "-m", "cellport", "map", ATLAS, *paths, "-o", str(out)]
    command += ["--dask", "local", "--workers", "2", "--threads", "1", "--part-cells", part_cells]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    takes = time.perf_counter() - began
    check(out, expected)
    undisturbed = parts_of(out)
    done_at_kill = []
    for _ in range(options.restarts):
        out = fresh(options, "out_restarted")
        kill_after(command, chance.uniform(0, takes))
        done_at_kill.append(len(list(out.glob("part-*"))) if out.exists() else 0)
        subprocess.run(command, check=True, capture_output=True)
        check(out, expected)
        assert parts_of(out) == undisturbed
        print(f"killed with {done_at_kill[-1]} of {len(undisturbed)} parts done", flush=True)
    return {
        "cells": options.files * options.cells,
        "parts": len(undisturbed),
        "kills": options.restarts,
        "parts_done_when_killed": done_at_kill,
        "identical_to_one_process": True,
        "parts_identical_to_an_undisturbed_run": True,
    }


def parts_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("part-*"))}


MEASUREMENTS = {"speed": speed, "kills": kills, "restarts": restarts}


def main() -> None:
    command = parser("scaling.cluster", __doc__, "out cache note table")
    measures = list(MEASUREMENTS)
    command.add_argument("--only", nargs="+", choices=measures, default=["speed"])
    command.add_argument("--files", type=int, default=20)
    command.add_argument("--cells", type=int, default=50_000, help="of each file")
    command.add_argument("--rounds", type=int, default=2)
    command.add_argument("--kill-runs", type=int, default=3)
    command.add_argument("--restarts", type=int, default=20)
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(cache=CACHE / "dask")
    options = command.parse_args()
    for name in options.only if not options.table else ():
        found = MEASUREMENTS[name](options)
        print(json.dumps(found, indent=1), flush=True)
        add(options.out, name, found, options.note)
    if options.out == command.get_default("out"):
        publish()


if __name__ == "__main__":
    main()
