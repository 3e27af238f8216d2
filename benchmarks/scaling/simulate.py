"""A simulation of the task graph: what mapping many cells would cost on many workers."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import product
from typing import Any

# MB/s of a parallel file system of a few servers: assumed, not measured
FAST_DISK = 10_000
WORKERS = (1, 4, 16, 128)


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

    Task i takes ``part_seconds[i % len(part_seconds)]`` of a processor and `task` of the scheduler,
    which hands out one at a time. Workers, of one thread each, read `part_bytes` for it from a disk
    that gives all of them together `disk_bytes_a_second`: with too many at work at a time, each
    waits for its share. The system reads ahead while a core works. Before the first task the
    workers take `starting`, and looking at the queries `planning`.
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
