from __future__ import annotations

import os
import signal
import socket
from typing import Any

import pytest

from cellport.runtime.cluster import local
from cellport.runtime.cluster.local import connected
from cellport.runtime.errors import CellportError, InputError


def test_worker_processes_start_ignore_ctrl_c_and_end() -> None:
    with connected("local", 1, 1) as client:
        (pid,) = client.run(os.getpid).values()
        (handler,) = client.run(signal.getsignal, signal.SIGINT).values()
        assert pid != os.getpid()
        assert handler == signal.SIG_IGN
        assert list(client.nthreads().values()) == [1]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_cluster_that_is_there_is_used(client: Any) -> None:
    address = client.scheduler_info()["address"]
    with connected(address, None, None) as joined:
        assert joined.scheduler_info()["id"] == client.scheduler_info()["id"]
    assert client.status == "running"


def test_workers_are_started_here_only() -> None:
    with (
        pytest.raises(InputError, match="--workers starts processes here"),
        connected("tcp://127.0.0.1:1", 2, None),
    ):
        pass


@pytest.mark.parametrize("address", ["nowhere", "tcp://127.0.0.1:{port}"])
def test_no_scheduler_there(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "PATIENCE", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        pytest.raises(CellportError, match="No Dask scheduler answers at"),
        connected(address.format(port=port), None, None),
    ):
        pass
