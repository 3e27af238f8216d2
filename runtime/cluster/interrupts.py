"""Loaded into worker processes that were started here: Ctrl-C is for the one that started them."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Ignore Ctrl-C in a worker process; Dask calls this when it starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
