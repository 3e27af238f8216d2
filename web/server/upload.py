"""Take the body of a request into a file: counted while it comes, never held in memory."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
from starlette.requests import Request

from cellport.web.server.jobs import Job, Jobs
from cellport.web.server.limits import Limits
from cellport.web.server.refusal import Refusal
from cellport.web.server.worker import UPLOAD

_PIECE = 1 << 20
_GRACE = 60.0


async def receive_upload(request: Request, job: Job, jobs: Jobs) -> None:
    """Write the body of a request to the folder of a job.

    Raises
    ------
    Refusal
        The body is empty, too large or too slow, or there is no room for it.
    starlette.requests.ClientDisconnect
        The client went away.
    """
    limits = jobs.limits
    async with aclosing(request.stream()) as chunks:
        try:
            stated = request.headers.get("content-length", "")
            if stated.isdecimal() and int(stated) > limits.max_upload:
                raise _too_large(limits)
            async with await anyio.open_file(job.folder / UPLOAD, "xb") as file:
                async for piece in _pieces(chunks, limits):
                    jobs.hold(job, len(piece))
                    await file.write(piece)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Refusal(503, "The server has no space left for this file.") from error
    if not job.held:
        raise Refusal(422, "The request has no body; send the file itself as the body.")


async def _pieces(chunks: AsyncIterator[bytes], limits: Limits) -> AsyncIterator[bytes]:
    """Join what comes to pieces worth writing; refuse more than the bound, or too slow."""
    began, size, waiting = time.monotonic(), 0, bytearray()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(chunks, None), limits.idle)
        except TimeoutError:
            raise Refusal(
                408, f"Nothing came for {limits.idle:g} s; send the file again."
            ) from None
        if chunk is None:
            break
        size += len(chunk)
        if size > limits.max_upload:
            raise _too_large(limits)
        if time.monotonic() - began > _GRACE + size / limits.slowest:
            raise Refusal(408, "The file comes too slowly; send it again.")
        waiting += chunk
        if len(waiting) >= _PIECE:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _too_large(limits: Limits) -> Refusal:
    return Refusal(
        413,
        f"The file is larger than the {limits.max_upload:,} bytes that the server takes; use "
        "cellport map, or start the server with a larger --max-upload.",
    )
