"""A client for a mapping from the command line: of a cluster that is there, or of one made here."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from cellport.runtime.base.extras import require
from cellport.runtime.base.processors import available_threads
from cellport.runtime.cluster.run import CLUSTER
from cellport.runtime.errors import CellportError, InputError

LOCAL = "local"
# seconds that a scheduler and its first worker may take to answer
PATIENCE = 30


def connected(where: str, workers: int | None, threads: int | None) -> AbstractContextManager[Any]:
    """Return a client for a ``with`` block.

    ``local`` starts worker processes, which end with the block, of so many `threads` (by default
    one); by default as many as there are processors for them. Anything else is the address of a
    scheduler.

    Raises
    ------
    InputError
        `workers` with a cluster that is there already.
    CellportError
        No scheduler answers there, or it has no workers.
    MissingDependencyError
        distributed is not installed.
    """
    require("dask", CLUSTER)
    if where == LOCAL:
        return _started(workers or max(1, available_threads() // (threads or 1)))
    if workers is not None:
        raise InputError("--workers starts processes here: leave it out, or take --dask local.")
    return _joined(where)


@contextmanager
def _started(workers: int) -> Iterator[Any]:
    import logging

    import dask
    from distributed import Client, LocalCluster

    # Dask gives up a worker that was lost and is not back after 15 seconds, which to start again
    # can take on a busy machine; without workers a mapping would never end
    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "1 day"})
    # one task at a time in each process; its kernels have the threads
    with (
        patient,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            preload=["cellport.runtime.cluster.interrupts"],
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _joined(address: str) -> Iterator[Any]:
    with _answering(address) as client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise CellportError(
                f"The Dask scheduler at '{address}' has no workers; start some."
            ) from None
        yield client


def _answering(address: str) -> Any:
    from distributed import Client

    try:
        return Client(address, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        said = str(error)
    # Dask's client that failed closes itself when it is collected. In the thread that starts the
    # loop of the next one it would wait there for a lock that this start holds.
    gc.collect()
    raise CellportError(
        f"No Dask scheduler answers at '{address}' ({said}); give local, or an address such as "
        "tcp://HOST:8786."
    )
