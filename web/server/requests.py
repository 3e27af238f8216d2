"""What requests that send a file share: which atlas they are about, and how they are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from cellport.web.server.refusal import Refusal
from cellport.web.server.site import PlacedAtlas

WhichAtlas = Annotated[
    str | None, Query(description="Name of the atlas, where there are several", max_length=200)
]
AtlasName = Annotated[str, Query(max_length=200)]
# what every request with a file says of how it is read
Layer = Annotated[
    str | None,
    Query(description="Where the raw counts are; found when left out", max_length=200),
]
Genome = Annotated[
    str | None,
    Query(description="Of a 10x file of several genomes, the one to map", max_length=200),
]
MinimumGenes = Annotated[
    float, Query(ge=0, le=1, description="Refuse files with fewer of the atlas's genes")
]
Flag = Annotated[bool, Query()]
_A_FILE = {
    "schema": {"type": "string", "format": "binary", "contentMediaType": "application/x-hdf5"}
}
TAKES_A_FILE = {"requestBody": {"required": True, "content": {"application/octet-stream": _A_FILE}}}
# how a request with a file may be refused
OF_UPLOADS = 403, 404, 408, 413, 415, 422, 500, 503


class Problem(BaseModel):
    """Why a request was refused."""

    error: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the description of the API says of answers that are refusals."""
    return {status: {"model": Problem} for status in statuses}


def named(placed: Sequence[PlacedAtlas], name: str | None) -> PlacedAtlas:
    """Return the atlas that a request is about.

    Raises
    ------
    Refusal
        There are several and it names none, or one that is not here.
    """
    if name is None and len(placed) == 1:
        return placed[0]
    found = next((one for one in placed if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in placed)
        said = f"Say which atlas is meant, as in ?atlas={placed[0].name}; here: {names}."
        raise Refusal(422 if name is None else 404, said)
    return found


def check_body(request: Request) -> None:
    """Refuse an upload that is not the file itself.

    Raises
    ------
    Refusal
        It is a form, or compressed on the way.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise Refusal(415, "Send the file itself as the body, not as a form (curl -T FILE).")
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Refusal(
            415,
            "Send the file as it is, without a Content-Encoding: an h5ad is compressed inside.",
            {"Accept-Encoding": "identity"},
        )


async def unless_gone(request: Request, work: Any) -> Any:
    """Wait for work, and end it when the client goes away meanwhile."""
    job = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({job, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not job.done():
            raise ClientDisconnect
        return job.result()
    finally:
        for task in (job, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
