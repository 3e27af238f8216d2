"""A connection that sends no whole request head is closed, and takes nobody's place meanwhile."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# for the line and the headers of a request, a few hundred bytes
HEAD_SECONDS = 10.0


class PatientProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, which by itself waits for the rest of a request's head for ever."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request on a new connection."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._rest()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._rest()
            self.connections.add(self)
        elif self._waiting is None and not self.transport.is_closing():
            # uvicorn refuses further requests where many connections are open
            self.connections.discard(self)
            self._waiting = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
