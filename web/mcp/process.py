"""Work in processes of their own: so many at a time, ended when nobody waits for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from cellport.runtime.base.files import plain_errors
from cellport.runtime.base.processors import available_threads
from cellport.runtime.errors import CellportError, InputError
from cellport.web.mcp.folders import Folders
from cellport.web.mcp.worker import request
from cellport.web.server.limits import Limits

OnProgress = Callable[[float, float | None], Awaitable[None]]
# -P: a folder of the agent's never stands for a package
_COMMAND = [sys.executable, "-P", "-m", "cellport.web.mcp.worker"]
_LONGEST_LINE = 1 << 20
_STOPPED = "The work stopped; the file is damaged, needs too much memory, or was made to do so."


@dataclass
class Workers:
    """Does the work of tools, each call in a process."""

    folders: Folders
    limits: Limits
    _waiting: int = 0
    _free: anyio.Semaphore = field(init=False)
    _running: set[anyio.CancelScope] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._free = anyio.Semaphore(self.limits.jobs)

    async def run(self, tool: str, arguments: dict[str, Any], on_progress: OnProgress) -> Any:
        """Do the work of a tool and return its answer; cancelling it ends the process.

        Raises
        ------
        CellportError
            It cannot be done, takes too long, or too much is being done already.
        """
        if self._waiting >= self.limits.jobs + self.limits.queue:
            raise CellportError(f"Too many calls are under way ({self._waiting}); try again soon.")
        self._waiting += 1
        scope = anyio.CancelScope()
        try:
            async with self._free:
                with scope:
                    self._running.add(scope)
                    return await self._run(tool, arguments, on_progress)
                raise CellportError("The server is being stopped.")
        finally:
            self._running.discard(scope)
            self._waiting -= 1

    async def stop(self) -> None:
        """End all work; return when nothing is left of it."""
        for scope in self._running:
            scope.cancel()
        while self._running:
            await anyio.sleep(0.01)

    async def _run(self, tool: str, arguments: dict[str, Any], on_progress: OnProgress) -> Any:
        threads = max(1, available_threads() // self.limits.jobs)
        bounds = {"threads": threads, "largest_result": self.limits.result}
        line = request(tool, arguments, self.folders, **bounds)
        seconds = self.limits.seconds
        with self._working_folder() as folder:
            try:
                with anyio.fail_after(seconds):
                    said = await _ask(line, Path(folder), on_progress)
            except TimeoutError:
                raise CellportError(
                    f"It took longer than the {seconds:g} s that the server allows; use the "
                    "command line, or start the server with more --seconds."
                ) from None
            if "error" in said:
                raise InputError(said["error"])
            return said["answer"] | self._published(Path(folder), said["written"])

    def _working_folder(self) -> tempfile.TemporaryDirectory[str]:
        """Make a folder where the results go, so that they can appear there in one step."""
        out = self.folders.out
        with plain_errors(out or tempfile.gettempdir()):
            return tempfile.TemporaryDirectory(
                prefix=".cellport-mcp-", dir=out, ignore_cleanup_errors=True
            )

    def _published(self, folder: Path, written: list[str]) -> dict[str, list[str]]:
        """Put results in their places, where nothing may be by now."""
        if not written:
            return {}
        # two calls may have been given one name
        places = [self.folders.result(name) for name in written]
        for place in places:
            with plain_errors(place):
                os.rename(folder / place.name, place)
        return {"written": list(map(str, places))}


async def _ask(line: bytes, folder: Path, on_progress: OnProgress) -> dict[str, Any]:
    process = await anyio.open_process(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, cwd=folder
    )
    try:
        return await _answer(process, line, on_progress)
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()


async def _answer(process: Process, line: bytes, on_progress: OnProgress) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    lines = BufferedByteReceiveStream(process.stdout)
    try:
        await process.stdin.send(line)
        while True:
            said: dict[str, Any] = json.loads(await lines.receive_until(b"\n", _LONGEST_LINE))
            if "done" not in said:
                return said
            await on_progress(said["done"], said["total"] or None)
    except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead):
        raise CellportError(_STOPPED) from None
