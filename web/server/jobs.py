"""Jobs of the server: so many at a time, each in a process that can be ended, in its own folder."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as TookTooLongError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from cellport.runtime.base.processors import available_threads
from cellport.runtime.errors import CellportError
from cellport.runtime.explain import Explanation
from cellport.runtime.map_files import MapSummary
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.rank import AtlasFit
from cellport.web.server.limits import Limits
from cellport.web.server.refusal import Refusal
from cellport.web.server.worker import (
    Format,
    Outcome,
    explain_upload,
    map_upload,
    rank_upload,
    ready,
    start,
)

_CRASHED = (
    "The file made the reader stop; it is damaged, needs too much memory, or was made to do so."
)


@dataclass(slots=True)
class Job:
    """One request: its folder, and the bytes of its upload so far."""

    folder: Path
    held: int = 0


class Jobs:
    """Admits uploads, gives each a folder, and maps them in worker processes."""

    def __init__(self, atlases: Mapping[str, Path], limits: Limits) -> None:
        self.limits = limits
        self.admitted = 0
        self._held = 0
        paths = {name: str(path) for name, path in atlases.items()}
        self._start = (paths, max(1, available_threads() // limits.jobs), limits.result)
        self._pool: ProcessPool | None = None
        self._base: tempfile.TemporaryDirectory[str] | None = None

    async def open(self) -> None:
        """Start the workers; raise what keeps them from starting."""
        self._base = tempfile.TemporaryDirectory(prefix="cellport-serve-")
        try:
            await asyncio.wrap_future(self._workers().schedule(ready))
        except Exception as error:
            self.close()
            raise CellportError(f"The worker processes do not start: {error}.") from error

    def close(self) -> None:
        """End the workers and remove every file."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None
        if self._base is not None:
            self._base.cleanup()
            self._base = None

    @contextmanager
    def admit(self) -> Iterator[Job]:
        """Take on a job, from the first byte of its upload to the last byte of its answer.

        Raises
        ------
        Refusal
            Too many are there.
        """
        if self._base is None or self.admitted >= self.limits.jobs + self.limits.queue:
            raise busy(f"{self.admitted} files are being mapped or wait")
        job = Job(Path(tempfile.mkdtemp(dir=self._base.name)))
        self.admitted += 1
        try:
            yield job
        finally:
            _remove(job.folder)
            self._held -= job.held
            self.admitted -= 1

    def hold(self, job: Job, size: int) -> None:
        """Count bytes that a job is about to write.

        Raises
        ------
        Refusal
            All jobs together hold too many.
        """
        if self._held + size > self.limits.held:
            raise busy("the space it has for uploads is taken")
        self._held += size
        job.held += size

    async def map(self, job: Job, atlas: str, form: Format, how: MapOptions) -> MapSummary:
        """Map the upload of a job onto an atlas, by its name; return the summary.

        Cancelling it ends the worker.

        Raises
        ------
        Refusal
            The file cannot be mapped, or takes too long.
        """
        found = await self._work("map", map_upload, str(job.folder), atlas, form, how)
        assert isinstance(found, MapSummary)
        return found

    async def explain(
        self, job: Job, atlas: str, asked: dict[str, Any], form: Format, how: MapOptions
    ) -> Explanation:
        """Tell why the cells of the upload of a job have their labels; otherwise as `map`."""
        found = await self._work(
            "explain", explain_upload, str(job.folder), atlas, asked, form, how
        )
        assert isinstance(found, Explanation)
        return found

    async def rank(self, job: Job, atlases: Sequence[str], how: MapOptions) -> tuple[AtlasFit, ...]:
        """Rank atlases by how well the upload of a job fits them; otherwise as `map`."""
        found = await self._work("rank", rank_upload, str(job.folder), tuple(atlases), how)
        assert isinstance(found, tuple)
        return found

    async def _work(self, command: str, work: Callable[..., Outcome], *args: Any) -> Any:
        future = self._workers().schedule(work, args=args, timeout=self.limits.seconds)
        try:
            outcome = await asyncio.wrap_future(future)
        except TookTooLongError:
            raise Refusal(
                422,
                f"Mapping took longer than the {self.limits.seconds:g} s that the server allows; "
                f"use cellport {command}.",
            ) from None
        except ProcessExpired:
            raise Refusal(422, _CRASHED) from None
        if outcome.found is None:
            raise Refusal(422 if outcome.users_fault else 500, outcome.refusal)
        return outcome.found

    def _workers(self) -> ProcessPool:
        if self._pool is None or not self._pool.active:
            # spawned, for a fork of a process with threads may hang
            self._pool = ProcessPool(
                max_workers=self.limits.jobs,
                initializer=start,
                initargs=self._start,
                context=multiprocessing.get_context("spawn"),
            )
        return self._pool


def busy(why: str) -> Refusal:
    """Return the answer for now is not the time."""
    return Refusal(503, f"The server is busy: {why}. Try again soon.", {"Retry-After": "5"})


def _remove(folder: Path) -> None:
    """Remove the folder of a job, even while its worker is being ended."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.02)
