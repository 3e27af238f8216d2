"""Seconds of work in this process, and of commands in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

# of libraries that a command loads
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, of the processors for this process, and of the calling thread at work.

    What others do on the machine adds to the first, and least to the others; the last holds for
    work on one thread only.
    """

    wall: float
    cpu: float
    thread: float


def spend(work: Callable[[], Any]) -> tuple[Spent, Any]:
    """Do some work; return what it took and what it made."""
    clocks = time.perf_counter, time.process_time, time.thread_time
    began = [clock() for clock in clocks]
    made = work()
    return Spent(*(clock() - at for clock, at in zip(clocks, began, strict=True))), made


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Processor seconds of some work."""
    return spend(work)[0].cpu


def in_turns(
    tasks: Mapping[str, Callable[[], Any]], rounds: int, warm_up: int = 1
) -> dict[str, list[Spent]]:
    """Do all tasks one after the other, in rounds, of which the first are not counted.

    So a machine that is busy for a while slows them alike.
    """
    spent: dict[str, list[Spent]] = {name: [] for name in tasks}
    for _ in range(warm_up + rounds):
        for name, task in tasks.items():
            spent[name].append(spend(task)[0])
    return {name: turns[warm_up:] for name, turns in spent.items()}


def medians(spent: Mapping[str, list[Spent]], clock: str) -> dict[str, float]:
    """Median seconds of each task by ``wall``, ``cpu`` or ``thread``."""
    return {name: median(getattr(turn, clock) for turn in turns) for name, turns in spent.items()}


def module(name: str, *arguments: object, python: str | None = None) -> list[str]:
    """Command that runs a module of the benchmarks; the peers' have a `python` of their own.

    Python finds the module where this process was started, so the benchmarks are installed nowhere.
    """
    return [python or sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]


def run_peers(python: str, question: str, *arguments: object, check: bool = True) -> bool:
    """Run the peers of a question on one thread; whether they did not fail."""
    command = module(f"{question}.peers", *arguments, python=python)
    done = subprocess.run(command, env=os.environ | _ONE_THREAD, check=check)
    return done.returncode == 0


def output(command: list[str]) -> str:
    """Run a command and return the last line that it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    _refuse_failure(done, done.stderr)
    return done.stdout.strip().splitlines()[-1]


@dataclass(frozen=True)
class Run:
    """Seconds by the clock, processor seconds and peak memory of one process."""

    wall: float
    cpu: float
    memory_mb: float


def timed(command: list[str]) -> Run:
    """Run a command to its end and measure it as the operating system accounts it."""
    # every tool runs from compiled modules, as pip installs them
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    silent, kept = subprocess.DEVNULL, subprocess.PIPE
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=silent, stderr=kept, env=environment, text=True)
    errors = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    _refuse_failure(process, errors)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _refuse_failure(process: Any, errors: str) -> None:
    if process.returncode:
        raise SystemExit(f"{' '.join(process.args)} failed:\n{errors[-2000:]}")


def kill_after(command: list[str], seconds: float) -> bool:
    """Start a command and kill it after so long; whether it had not ended by itself."""
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=silent, stderr=silent)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False
