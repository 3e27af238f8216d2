"""What the page loads: told apart by hash, so that nothing is sent twice, and sent compressed."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

# under an address that holds a hash there will never be anything else
_FOR_EVER = "private, max-age=31536000, immutable"
# under any other the browser asks whether what it has is still right
_ASK_AGAIN = "private, no-cache"
# the second-best of zlib's levels is within 1 % of the best at a fraction of its time
_LEVEL = 6
# what compresses by less is sent as it is; arrays of numbers do by 6 %
_WORTH_IT = 0.95
# as much of a hash as the page puts into an address (`web/page/src/atlas/parts.ts`)
VERSION_LENGTH = 16


class Held:
    """Bytes that are sent to anybody who asks, and when they are asked for the first time read."""

    def __init__(self, read: Callable[[], bytes], media: str) -> None:
        self._read = read
        self._media = media

    @cached_property
    def _packed(self) -> bytes | None:
        plain = self._read()
        packed = gzip.compress(plain, _LEVEL, mtime=0)
        return packed if len(packed) < _WORTH_IT * len(plain) else None

    @cached_property
    def sha256(self) -> str:
        """Hash of the bytes."""
        return hashlib.sha256(self._read()).hexdigest()

    def answer(self, request: Request, for_ever: bool = False) -> Response:
        """Answer GET and HEAD; 304 to a browser that has the bytes already."""
        for_ever |= request.query_params.get("v") == self.sha256[:VERSION_LENGTH]
        tag = f'"{self.sha256}"'
        headers = {
            "ETag": tag,
            "Cache-Control": _FOR_EVER if for_ever else _ASK_AGAIN,
            "Vary": "Accept-Encoding",
        }
        if has_already(request, tag):
            return Response(None, 304, headers)
        packed = self._packed if _takes_gzip(request) else None
        if packed is not None:
            headers["Content-Encoding"] = "gzip"
        body = self._read() if packed is None else packed
        return Response(body, headers=headers, media_type=self._media)


def has_already(request: Request, tag: str) -> bool:
    """Tell whether who asks has what an ETag names."""
    known = request.headers.get("if-none-match", "")
    return tag in known or known.strip() == "*"


def held_page(page: Path, names: list[str]) -> dict[str, Held]:
    """Return the files of a built page by their names; ``index.html`` also by the empty one."""
    files = {
        name: Held((page / name).read_bytes, mimetypes.guess_type(name)[0] or "text/plain")
        for name in names
    }
    return files | {"": files["index.html"]} if "index.html" in files else files


def _takes_gzip(request: Request) -> bool:
    said = request.headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
    return any(one == "gzip" or (one.startswith("gzip;") and "q=0" not in one) for one in said)
