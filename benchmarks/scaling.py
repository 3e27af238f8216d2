"""What limits mapping, and what a million, ten and a hundred million cells would cost.

    python benchmarks/scaling.py

Measures, on generated files (``tiled.py``) and one thread: seconds a stage of the mapping of
50,000 cells, the rates of inflating, of memory and of the disk, and what Dask adds to a task. Then
a small simulator runs the task graph of larger mappings with these times: parts in order, each to
the next idle worker, all workers sharing one disk. Results go to
``benchmarks/results/scaling.json`` and to the tables in ``docs/scaling.md``.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from cluster import ATLAS, add_to_results, fill_in, queries

import cellport
from cellport.runtime.cluster.local import connected
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.writers import open_writer

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "scaling.json"
# MB/s of a parallel file system of a few servers: assumed, not measured
FAST_DISK = 10_000
WORKERS = (1, 4, 16, 128)
ONE = cellport.MapOptions(threads=1, device="cpu")


@dataclass(frozen=True)
class Times:
    """Processor seconds of one part, by stage."""

    opening: float
    reading: float
    mapping: float
    writing: float

    @property
    def whole(self) -> float:
        """Of all stages."""
        return self.opening + self.reading + self.mapping + self.writing


def stages(atlas: Atlas, path: str, out: Path) -> Times:
    """Map a file as a worker does, three times, each time with one stage more."""

    def opened() -> None:
        atlas.open_query(path, ONE)[0].close()

    def read() -> None:
        with closing(atlas.open_query(path, ONE)[0]) as source:
            for _ in source.blocks(ONE.block_cells):
                pass

    def mapped() -> None:
        for _ in atlas.stream(path, ONE).blocks:
            pass

    def written() -> None:
        stream = atlas.stream(path, ONE)
        with open_writer(out, stream.schema, stream.n_cells) as writer:
            for block in stream.blocks:
                writer.write(block)
            writer.close({})

    ends = [_processor_seconds(work) for work in (opened, read, mapped, written)]
    steps = np.diff([0.0, *ends]).clip(0).tolist()
    return Times(*steps)


def _processor_seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def memory_rate(megabytes: int = 256) -> float:
    """GB/s that one thread reads and writes while it copies."""
    source = np.ones(megabytes << 17)
    target = np.empty_like(source)
    target[:] = source
    seconds = [_processor_seconds(lambda: np.copyto(target, source)) for _ in range(5)]
    return 2 * source.nbytes / statistics.median(seconds) / 1e9


def inflate_rate(path: str) -> float:
    """MB/s of counts that come out of the chunks of a file on one thread."""
    import h5py

    from cellport.runtime.sources.parallel import open_parallel

    with h5py.File(path) as file:
        matrix = file["X"]
        stored, n_genes = matrix["data"].shape[0], int(matrix.attrs["shape"][1])
        pairs = open_parallel(matrix["indices"], matrix["data"], n_genes, 1)
        assert pairs is not None
        step = 4_000_000
        with closing(pairs):
            seconds = _processor_seconds(
                lambda: [
                    pairs.read(start, min(start + step, stored)) for start in range(0, stored, step)
                ]
            )
    return 8 * stored / seconds / 1e6


def inflated_bytes(path: str) -> int:
    """Bytes of positions and values in memory."""
    import h5py

    with h5py.File(path) as file:
        return 8 * int(file["X/data"].shape[0])


def disk_rate(path: str) -> float:
    """MB/s of a first read, after the system was asked to forget the file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        began, size = time.perf_counter(), 0
        while data := os.read(handle, 1 << 22):
            size += len(data)
        return size / (time.perf_counter() - began) / 1e6
    finally:
        os.close(handle)


def dask_seconds(n_tasks: int = 500) -> tuple[float, float]:
    """Seconds to start one worker, and that Dask adds to a task."""
    began = time.perf_counter()
    with connected("local", 1, 1) as client:
        client.wait_for_workers(1)
        starting = time.perf_counter() - began
        began = time.perf_counter()
        client.gather(client.map(_nothing, range(n_tasks), pure=False))
        return starting, (time.perf_counter() - began) / n_tasks


def _nothing(number: int) -> int:
    return number


def start_seconds() -> float:
    """Processor seconds of a process that loads all of cellport that a task needs."""
    code = "import cellport, pyarrow.parquet; cellport.load_atlas('lung-demo').map"
    began = os.times().children_user
    subprocess.run([sys.executable, "-c", code], check=True)
    return os.times().children_user - began


def simulate(
    parts: int,
    workers: int,
    part_seconds: Sequence[float],
    part_bytes: float,
    disk_bytes_a_second: float,
    *,
    starting: float,
    planning: float,
    task: float,
) -> float:
    """Seconds until the last part is written.

    Parameters
    ----------
    parts
        Number of tasks; task i takes ``part_seconds[i % len(part_seconds)]`` of a processor.
    workers
        Of one thread each.
    part_bytes
        Read for each part from a disk that all workers share, which gives
        `disk_bytes_a_second` in all: with too many at work at a time, each waits for its share.
        The system reads ahead while a core works.
    starting, planning
        Seconds before the first task: of the workers, and of looking at the queries.
    task
        Seconds of the scheduler for a task; it hands out one at a time.
    """
    idle_at = [starting + planning] * workers
    scheduler_free, end = starting + planning, 0.0
    for number in range(parts):
        idle = heapq.heappop(idle_at)
        begin = max(idle, scheduler_free)
        scheduler_free = begin + task
        busy = 1 + sum(1 for at in idle_at if at > begin)
        seconds = part_seconds[number % len(part_seconds)]
        done = begin + max(seconds, busy * part_bytes / disk_bytes_a_second)
        end = max(end, done)
        heapq.heappush(idle_at, done)
    return end


def costs(found: dict[str, Any], part_seconds: list[float]) -> list[dict[str, Any]]:
    """Simulate mappings of a million to a hundred million cells."""
    rows = []
    part_cells = found["part_cells"]
    for disk in (found["disk_mb_a_second"], FAST_DISK):
        for n_cells, workers in product((1_000_000, 10_000_000, 100_000_000), WORKERS):
            parts = n_cells // part_cells
            seconds = simulate(
                parts,
                workers,
                part_seconds,
                found["bytes_a_part"],
                disk * 1e6,
                starting=found["worker_start_seconds"],
                planning=found["seconds_of_a_part"]["opening"] * parts / workers,
                task=found["dask_seconds_a_task"],
            )
            rows.append(
                {
                    "disk_mb_a_second": disk,
                    "cells": n_cells,
                    "workers": workers,
                    "parts": parts,
                    "minutes": round(seconds / 60, 2),
                    "core_hours": round(seconds * workers / 3600, 3),
                    "cells_a_second": round(n_cells / seconds),
                    "read_gb": round(parts * found["bytes_a_part"] / 1e9, 1),
                    "written_gb": round(parts * found["bytes_written_a_part"] / 1e9, 2),
                }
            )
    return rows


def measure(options: argparse.Namespace) -> dict[str, Any]:
    paths = queries(options)
    atlas, out = cellport.load_atlas(ATLAS), options.folder / "scaling.parquet"
    stages(atlas, paths[0], out)
    disk = statistics.median(disk_rate(path) for path in paths)
    times = [stages(atlas, path, out) for path in paths]
    mean = {
        name: statistics.mean(getattr(one, name) for one in times)
        for name in ("opening", "reading", "mapping", "writing")
    }
    worker, task = dask_seconds()
    whole = sum(mean.values())
    found: dict[str, Any] = {
        "part_cells": options.cells,
        "parts_measured": len(times),
        "seconds_of_a_part": {name: round(seconds, 3) for name, seconds in mean.items()},
        "cells_a_second_of_a_core": round(options.cells / whole),
        "bytes_a_part": round(statistics.mean(os.path.getsize(path) for path in paths)),
        "inflated_bytes_a_part": round(statistics.mean(map(inflated_bytes, paths))),
        "bytes_written_a_part": out.stat().st_size,
        "inflate_mb_a_second_of_a_core": round(inflate_rate(paths[0])),
        "memory_gb_a_second_of_a_core": round(memory_rate(), 1),
        "disk_mb_a_second": round(disk),
        "worker_start_seconds": round(worker, 2),
        "process_start_cpu_seconds": round(start_seconds(), 2),
        "dask_seconds_a_task": round(task, 5),
    }
    read_a_second = found["bytes_a_part"] / whole
    found["disk_mb_a_second_of_a_core"] = round(read_a_second / 1e6, 1)
    found["cores_that_fill_the_disk"] = round(disk * 1e6 / read_a_second, 1)
    out.unlink()
    found["simulated"] = costs(found, [one.whole for one in times])
    return found


def rates(found: dict[str, Any]) -> str:
    """Say what was measured, as a table."""
    stages, cells = found["seconds_of_a_part"], found["part_cells"]
    whole = sum(stages.values())
    inflated = found["inflated_bytes_a_part"]
    rows = {
        f"a part of {cells:,} cells, one core": f"{whole:.2f} s, of which "
        f"{stages['opening']:.2f} opening, {stages['reading']:.2f} reading and inflating, "
        f"{stages['mapping']:.2f} the network, {stages['writing']:.2f} Parquet",
        "a core": f"{found['cells_a_second_of_a_core']:,} cells/s",
        "read from the disk": f"{found['bytes_a_part'] / cells / 1e3:.1f} kB a cell, "
        f"{found['disk_mb_a_second_of_a_core']:.0f} MB/s a core",
        "the disk here, first read": f"{found['disk_mb_a_second']:,} MB/s: "
        f"{found['cores_that_fill_the_disk']:.1f} cores",
        "inflating": f"{inflated / cells / 1e3:.1f} kB of counts a cell, "
        f"{found['inflate_mb_a_second_of_a_core']:,} MB/s a core",
        "memory": f"a core copies {found['memory_gb_a_second_of_a_core']:.1f} GB/s; its counts are "
        f"{inflated / whole / 1e9:.2f} GB/s",
        "written": f"{found['bytes_written_a_part'] / cells:.0f} bytes a cell",
        "Dask": f"{found['worker_start_seconds']:.1f} s to start, "
        f"{1000 * found['dask_seconds_a_task']:.1f} ms a part",
    }
    lines = ["| what | measured |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join([*lines, "", f"*{found['date']}, {found['machine']}.*"])


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| disk MB/s | cells | workers | minutes | core hours | cells/s | read GB | written GB |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    names = ("disk_mb_a_second", "cells", "workers", "minutes", "core_hours", "cells_a_second")
    for row in rows:
        values = [row[name] for name in (*names, "read_gb", "written_gb")]
        lines.append("| " + " | ".join(f"{value:,}" for value in values) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=5)
    parser.add_argument("--cells", type=int, default=50_000, help="of each file")
    parser.add_argument("--folder", type=Path, default=HERE / "cache" / "dask")
    parser.add_argument("--note", default="", help="about the machine, for the results")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = measure(options)
    add_to_results(options.out, "scaling", found, options.note)
    print(json.dumps(found, indent=1))
    if options.out == RESULTS:
        found = json.loads(RESULTS.read_text())["scaling"]
        fill_in("benchmarks/scaling.py, rates", rates(found))
        fill_in("benchmarks/scaling.py, costs", table(found["simulated"]))


if __name__ == "__main__":
    main()
