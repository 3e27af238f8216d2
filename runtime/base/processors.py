"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# asked in this order; the first that is set decides
ASKED_FOR = ("CELLPORT_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
GIVEN = "SLURM_CPUS_PER_TASK"

_SELF = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


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
