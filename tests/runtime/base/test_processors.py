from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from threadpoolctl import threadpool_info

from cellport.runtime.base import processors
from cellport.runtime.base.processors import (
    ASKED_FOR,
    GIVEN,
    available_threads,
    small_products,
)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sixteen processors, no variable, no limit."""
    for name in (*ASKED_FOR, GIVEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(processors, "_SELF", tmp_path / "self")
    monkeypatch.setattr(processors, "_ROOT", tmp_path / "cgroup")


@pytest.fixture
def limit(tmp_path: Path) -> Callable[[str, dict[str, str]], None]:
    """Write what the process is in and the limits of groups, as the kernel shows them."""

    def write(groups: str, files: dict[str, str]) -> None:
        (tmp_path / "self").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")

    return write


def test_all_that_the_process_may_run_on() -> None:
    assert available_threads() == 16


@pytest.mark.parametrize("name", ASKED_FOR)
def test_what_is_asked_for_decides(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GIVEN, "2")
    monkeypatch.setenv(name, "3")
    assert available_threads() == 3
    monkeypatch.setenv(name, "5,2")
    assert available_threads() == 5
    for nothing in ("", "0", "-1", "many"):
        monkeypatch.setenv(name, nothing)
        assert available_threads() == 2


def test_the_own_variable_comes_before_that_of_openmp(monkeypatch: pytest.MonkeyPatch) -> None:
    for threads, name in zip("345", ASKED_FOR, strict=True):
        monkeypatch.setenv(name, threads)
    assert available_threads() == 3


def test_slurm_gives_no_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GIVEN, "4")
    assert available_threads() == 4
    monkeypatch.setenv(GIVEN, "64")
    assert available_threads() == 16


@pytest.mark.parametrize(
    ("groups", "files", "threads"),
    [
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/\n", {"cpu.max": "max 100000"}, 16),
        ("0::/\n", {"cpu.max": "6400000 100000"}, 16),
        ("0::/job/step\n", {"job/cpu.max": "300000 100000", "job/step/cpu.max": "max 100000"}, 3),
        ("0::/on/the/host\n", {"cpu.max": "400000 100000"}, 4),
        (
            "3:cpuset:/\n2:cpu,cpuacct:/docker/1a\n0::/\n",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "500000",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            5,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        ("0::/\n", {}, 16),
    ],
)
def test_the_quota_of_a_container_is_kept(
    groups: str,
    files: dict[str, str],
    threads: int,
    limit: Callable[[str, dict[str, str]], None],
) -> None:
    limit(groups, files)
    assert available_threads() == threads


def _of_products() -> list[int]:
    """Threads of libraries that have one setting for all threads, as numpy's has."""
    found = threadpool_info()
    return [one["num_threads"] for one in found if one.get("threading_layer") == "pthreads"]


def test_the_last_to_leave_takes_the_setting_back() -> None:
    before, together = _of_products(), Barrier(3)

    def work(_: int) -> list[int]:
        with small_products():
            # some leave while others are inside, or not there yet
            together.wait()
            return _of_products()

    with ThreadPoolExecutor(3) as pool:
        inside = list(pool.map(work, range(12)))
    assert all(set(one) <= {1} for one in inside)
    assert _of_products() == before


def test_the_setting_is_taken_back_after_an_error() -> None:
    before = _of_products()
    with pytest.raises(ValueError, match="inside"), small_products(), small_products():
        raise ValueError("inside")
    assert _of_products() == before
