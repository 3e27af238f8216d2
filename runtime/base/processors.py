"""How many processors this process may use, and small products on one of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

# asked in this order; the first that is set decides
ASKED_FOR = ("CELLPORT_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
GIVEN = "SLURM_CPUS_PER_TASK"

_SELF = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")

_counting = Lock()
_inside = 0
_limits: Any = None


def available_threads() -> int:
    """Processors this process may use.

    The variables of `ASKED_FOR` decide when one is set. Else it is the least of the processors
    that the process may run on, what Slurm gave the task, and the quota of its control group,
    which is how containers are limited (``docker run --cpus``).
    """
    for name in ASKED_FOR:
        wanted = _number(name)
        if wanted:
            return wanted
    here = hasattr(os, "sched_getaffinity")
    allowed = len(os.sched_getaffinity(0)) if here else os.cpu_count() or 1
    return min(allowed, _number(GIVEN) or allowed, _quota() or allowed)


def _number(variable: str) -> int:
    """Return what a variable says, 0 for nothing; of a list, as OpenMP takes it, the first."""
    value = os.environ.get(variable, "").split(",")[0].strip()
    return int(value) if value.isdecimal() else 0


def _quota() -> int:
    """Return the processors that the control groups of this process may fill; 0 for no limit."""
    quotas = [quota for quota in _quotas() if quota > 0]
    return math.ceil(min(quotas)) if quotas else 0


def _quotas() -> Iterator[float]:
    """Yield the quota of each group that the process is in, and of those these are in."""
    try:
        lines = _SELF.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            for folder in _upwards(_ROOT, path):
                quota, _, period = _text(folder / "cpu.max").partition(" ")
                yield _share(quota, period)
        elif "cpu" in controllers.split(","):
            for folder in _upwards(_ROOT / controllers, path):
                quota = _text(folder / "cpu.cfs_quota_us")
                yield _share(quota, _text(folder / "cpu.cfs_period_us"))


def _upwards(root: Path, path: str) -> Iterator[Path]:
    # inside a container the path may be that of the host, and only the root be there
    inside = PurePosixPath(path.lstrip("/"))
    for part in (inside, *inside.parents):
        yield root / part


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _share(quota: str, period: str) -> float:
    """Return quota through period; 0 where there is no quota (``max`` or -1)."""
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else 0


@contextmanager
def small_products() -> Iterator[None]:
    """Keep products to one thread of the library while anybody is inside.

    They are small, and threads would wait for each other: where processors are busy, or fewer than
    the library believes, that took seven times as long. The setting is one for the whole process,
    so the first to come makes it and the last to go takes it back.
    """
    global _inside, _limits
    from threadpoolctl import OpenBLASController, threadpool_limits

    # since 3.8 threads but the one that set a limit first are not heard; here they take turns
    free = getattr(OpenBLASController, "clear_controlling_thread", lambda force: None)
    with _counting:
        if not _inside:
            free(force=True)
            _limits = threadpool_limits(1, "blas")
        _inside += 1
    try:
        yield
    finally:
        with _counting:
            _inside -= 1
            if not _inside:
                free(force=True)
                _limits.restore_original_limits()
