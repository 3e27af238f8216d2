"""What every request passes: host, origin and token; and what every answer carries."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "cellport_token"
HEALTH = "/api/health"
POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "style-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_READING = ("GET", "HEAD", "OPTIONS")
_TOO_SLOW = 408
# what is read and thrown away so that a client that is still sending gets to read the answer
_DRAINED = 64 << 20
_DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in.

    Under other names than `hosts`, addresses and ``localhost`` the server does not answer: a page
    of another site cannot reach it under a name of its own then (DNS rebinding).
    """

    token: str = ""  # that every request must bring, empty for none
    hosts: frozenset[str] = frozenset()


def known_hosts(host: str, further: Iterable[str] = ()) -> frozenset[str]:
    """Return the names that a server bound to `host` answers to."""
    names = (host, socket.gethostname(), socket.getfqdn(), *further)
    return frozenset(name.lower().rstrip(".") for name in names if name)


class Body:
    """What a request sends, and how much of it was read."""

    def __init__(self, receive: Receive, waits: bool) -> None:
        self._receive = receive
        # nothing comes of a client that waits to be told to go on
        self._whole = waits

    async def receive(self) -> Message:
        """Return the next message."""
        message = await self._receive()
        self._whole = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read what is left of it, within bounds."""
        left = _DRAINED
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._whole and left > 0:
                    left -= len((await self.receive()).get("body", b""))


class Guard:
    """ASGI middleware that refuses what `Access` does not admit and adds the security headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        body = Body(receive, "expect" in HTTPConnection(scope).headers)

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                if scope["method"] not in _READING and message["status"] != _TOO_SLOW:
                    await body.drain()
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        request = HTTPConnection(scope)
        answer = self._refuse(scope, request.headers)
        health = scope["path"] == HEALTH and scope["method"] in _READING
        needs_token = self._access.token and not health
        if answer is None and needs_token and not self._has_token(request):
            answer = self._ask_for_token(scope)
        await (answer or self._app)(scope, body.receive, send_secured)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        stated = headers.getlist("host")
        if len(stated) != 1 or not self._is_known(stated[0]):
            return _refusal(
                400,
                "The server is not known under this host name; use its address, or start it with "
                "--allow-host NAME.",
            )
        origin = headers.get("origin")
        if scope["method"] not in _READING and origin is not None:
            try:
                same = urlsplit(origin).netloc.lower() == stated[0].lower()
            except ValueError:
                same = False
            if not same:
                return _refusal(403, "A page of another site may not use this server.")
        return None

    def _is_known(self, stated: str) -> bool:
        try:
            name = urlsplit(f"//{stated}").hostname or ""
        except ValueError:
            return False
        name = name.rstrip(".")
        if name == "localhost" or name in self._access.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _has_token(self, request: HTTPConnection) -> bool:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        brought = kind.lower() == "bearer" and self._is_token(given.strip())
        return brought or self._is_token(request.cookies.get(COOKIE, ""))

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._access.token.encode())

    def _ask_for_token(self, scope: Scope) -> Response:
        """Turn ``/?token=`` into a cookie, so that the page need not know."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = query.pop("token", [""])[0]
        if scope["method"] == "GET" and scope["path"] == "/" and self._is_token(given):
            rest = urlencode(query, doseq=True)
            cookie = f"{COOKIE}={self._access.token}; HttpOnly; SameSite=Lax; Path=/"
            headers = {"location": f"./?{rest}" if rest else "./", "set-cookie": cookie}
            return Response(None, 303, headers)
        return _refusal(
            401,
            "This server needs its token: send 'Authorization: Bearer TOKEN', or open the address "
            "that it printed when it started.",
            {"www-authenticate": "Bearer"},
        )


def _refusal(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)
