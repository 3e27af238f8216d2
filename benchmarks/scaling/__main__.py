"""What limits mapping, and what a million, ten and a hundred million cells would cost.

    python -m benchmarks.scaling

Measures, on generated files (``shared/tiled.py``) and one thread: seconds a stage of the mapping of
50,000 cells, the rates of inflating, of memory and of the disk, and what Dask adds to a task. Then
``simulate.py`` runs the task graph of larger mappings with these times: parts in order, each to
the next idle worker, all workers sharing one disk. Results go to
``benchmarks/results/scaling.json`` and to the tables in ``docs/scaling.md``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import cellport
from benchmarks.scaling.cluster import ATLAS, queries
from benchmarks.scaling.simulate import costs
from benchmarks.scaling.tables import measure_and_publish
from benchmarks.shared.command import parser
from benchmarks.shared.results import CACHE
from benchmarks.shared.timing import cpu_seconds
from cellport.runtime.cluster.local import connected
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.sources.parallel import open_parallel
from cellport.runtime.writers import open_writer

ONE = cellport.MapOptions(threads=1, device="cpu")
STAGES = ("opening", "reading", "mapping", "writing")


def stages(atlas: Atlas, path: str, out: Path) -> dict[str, float]:
    """Processor seconds of each stage: map a file as a worker does, each time one stage further."""

    def opened() -> None:
        atlas.prepare(path, ONE).query.source.close()

    def read() -> None:
        with closing(atlas.prepare(path, ONE).query.source) as source:
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

    ends = [cpu_seconds(work) for work in (opened, read, mapped, written)]
    return dict(zip(STAGES, np.diff([0.0, *ends]).clip(0).tolist(), strict=True))


def memory_rate(megabytes: int = 256) -> float:
    """GB/s that one thread reads and writes while it copies."""
    source = np.ones(megabytes << 17)
    target = np.empty_like(source)
    target[:] = source
    seconds = [cpu_seconds(lambda: np.copyto(target, source)) for _ in range(5)]
    return 2 * source.nbytes / statistics.median(seconds) / 1e9


def inflate_rate(path: str) -> float:
    """MB/s of counts that come out of the chunks of a file on one thread."""
    with h5py.File(path) as file:
        matrix = file["X"]
        stored, n_genes = matrix["data"].shape[0], int(matrix.attrs["shape"][1])
        pairs = open_parallel(matrix["indices"], matrix["data"], n_genes, 1)
        assert pairs is not None
        step = 4_000_000
        with closing(pairs):
            seconds = cpu_seconds(
                lambda: [
                    pairs.read(start, min(start + step, stored)) for start in range(0, stored, step)
                ]
            )
    return float(8 * stored / seconds / 1e6)


def inflated_bytes(path: str) -> int:
    """Bytes of positions and values in memory."""
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
    code = "import cellport, pyarrow.parquet; cellport.load_atlas('lung').map"
    began = os.times().children_user
    subprocess.run([sys.executable, "-c", code], check=True)
    return os.times().children_user - began


def measure(options: argparse.Namespace) -> dict[str, Any]:
    paths = queries(options)
    atlas, out = cellport.load_atlas(ATLAS), options.cache / "scaling.parquet"
    stages(atlas, paths[0], out)
    disk = statistics.median(disk_rate(path) for path in paths)
    times = [stages(atlas, path, out) for path in paths]
    mean = {stage: statistics.mean(one[stage] for one in times) for stage in STAGES}
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
    found["simulated"] = costs(found, [sum(one.values()) for one in times])
    return found


def main() -> None:
    command = parser("scaling", __doc__, "out cache note table")
    command.add_argument("--files", type=int, default=5)
    command.add_argument("--cells", type=int, default=50_000, help="of each file")
    command.set_defaults(cache=CACHE / "dask")
    measure_and_publish(command, "scaling", measure)


if __name__ == "__main__":
    main()
