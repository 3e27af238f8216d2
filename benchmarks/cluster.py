"""Mapping on local Dask workers: how much faster two are, and that kills cost nothing.

    python benchmarks/cluster.py --only speed                        # 20 files of 50,000 cells
    python benchmarks/cluster.py --only kills restarts --cells 2000  # 20 files of 2,000

``speed`` maps all files with one and with two worker processes of one thread each, in turns, and
compares both results with those of one process without Dask. ``kills`` sends SIGKILL to a worker
three times during a run. ``restarts`` sends SIGKILL to the whole command at a random moment, gives
it again, and does so 20 times. After each, every cell must be there exactly once, and all results
equal those of one process bit for bit. Results go to ``benchmarks/results/cluster.json`` and,
in words, to ``docs/scaling.md``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
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
from tiled import make_file

import cellport
from cellport.runtime.cluster.dataset import MANIFEST
from cellport.runtime.cluster.local import connected

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "cluster.json"
PAGE = HERE.parent / "docs" / "scaling.md"
ATLAS = "lung-demo"


def queries(options: argparse.Namespace) -> list[str]:
    """Make the files that are not there yet: a few minutes for a million cells."""
    options.folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in range(options.files):
        path = options.folder / f"query_{seed:02d}_{options.cells}.h5ad"
        if not path.exists():
            unfinished = path.with_suffix(".tmp")
            make_file(unfinished, options.cells, "gzip", seed)
            unfinished.rename(path)
        paths.append(str(path))
    return paths


def single(options: argparse.Namespace, paths: list[str]) -> tuple[Path, float]:
    """Map in one process without Dask, on one thread."""
    out = options.folder / "single.parquet"
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
    out: Path = options.folder / name
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
        check(options.folder / f"out_{workers}", expected)
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
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, takes))
        process.kill()
        process.wait()
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


def add_to_results(path: Path, name: str, found: dict[str, Any], note: str) -> None:
    """Put the figures of one measurement into the JSON, beside the others."""
    results = json.loads(path.read_text()) if path.exists() else {}
    results[name] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, shared{note}",
        "cellport": cellport.__version__,
        **found,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def fill_in(name: str, text: str) -> None:
    """Put lines into the page, between the marks of that name."""
    begin, end = (f"<!-- {name}: {which} -->" for which in ("begin", "end"))
    before, rest = PAGE.read_text().split(begin)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def in_words(results: dict[str, Any]) -> str:
    """Say what the three measurements found, as far as they were made."""
    lines = []
    if "speed" in results:
        found = results["speed"]
        rates = found["cells_per_second"]
        lines.append(
            f"- {found['cells']:,} cells in {found['files']} gzip files: one worker process of one "
            f"thread {rates['one']:,} cells/s, two {rates['two']:,} cells/s, "
            f"{found['speed_up']:.2f} times as many ({_of(found)})."
        )
    if "kills" in results:
        found = results["kills"]
        killed = found["workers_killed"]
        lines.append(
            f"- {found['cells']:,} cells in {found['parts']} parts, {killed[0]} times SIGKILL to a "
            f"worker during the run, {len(killed)} runs: every cell once, the results those of one "
            f"process bit for bit ({_of(found)})."
        )
    if "restarts" in results:
        found = results["restarts"]
        done = found["parts_done_when_killed"]
        lines.append(
            f"- SIGKILL to the whole command at a random moment, {found['kills']} times, with "
            f"{min(done)} to {max(done)} of {found['parts']} parts done, and the command again: "
            f"every file of the dataset byte for byte that of an undisturbed run ({_of(found)})."
        )
    return "\n".join(lines)


def _of(found: dict[str, Any]) -> str:
    return f"{found['date']}, {found['machine']}"


MEASUREMENTS = {"speed": speed, "kills": kills, "restarts": restarts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(MEASUREMENTS), default=["speed"])
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--cells", type=int, default=50_000, help="of each file")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kill-runs", type=int, default=3)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--note", default="", help="about the machine, for the results")
    parser.add_argument("--folder", type=Path, default=HERE / "cache" / "dask")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    for name in options.only:
        found = MEASUREMENTS[name](options)
        print(json.dumps(found, indent=1), flush=True)
        add_to_results(options.out, name, found, options.note)
    if options.out == RESULTS:
        fill_in("benchmarks/cluster.py", in_words(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
