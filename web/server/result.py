"""A result on its way to who asked for it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send


class Result(FileResponse):
    """A result that is removed when it has been sent, or could not be."""

    def __init__(self, path: Path, media: str, cleanup: ExitStack) -> None:
        super().__init__(path, media_type=media, filename=f"cellport{path.suffix}")
        self._cleanup = cleanup

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and remove it."""
        with self._cleanup:
            await super().__call__(scope, receive, send)
