"""Run the server on this machine."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cellport.runtime.base.extras import require
from cellport.runtime.errors import CellportError, InputError
from cellport.web.server.limits import Limits
from cellport.web.server.site import ExampleCells, built_page, place_given


@dataclass(frozen=True, slots=True)
class Listening:
    """A server that has started."""

    url: str  # to open in a browser; holds the token when there is one
    token: str  # that requests must bring, empty when none is needed


def serve(
    atlas: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    host: str = "127.0.0.1",
    port: int = 8787,
    *,
    token: str = "",
    limits: Limits | None = None,
    allow_hosts: Iterable[str] = (),
    with_page: bool = True,
    example: ExampleCells | Sequence[ExampleCells | None] | None = None,
    started: Callable[[Listening], None] | None = None,
) -> None:
    """Serve the page and the API until the process is stopped.

    Parameters
    ----------
    host, port
        To listen on; any free port when 0.
    token
        That requests must bring. One is made up when `host` can be reached from elsewhere.
    allow_hosts
        Further names under which the server may be asked, as behind a proxy.
    with_page
        Whether to serve the page, or the API alone.
    example
        Cells that the page offers to be mapped with one click; of several atlases, for each.
    started
        Called once when the server listens.

    Raises
    ------
    AtlasError
        No such atlas, or a damaged one.
    InputError
        The address cannot be listened on; there is no atlas, or two have files of one name.
    MissingDependencyError
        The extra ``serve`` is not installed, or the page not built.
    """
    require("serve", "Serving")
    import uvicorn

    from cellport.web.server.app import create_app
    from cellport.web.server.guard import Access, known_hosts
    from cellport.web.server.patience import PatientProtocol

    limits = limits or Limits()
    page = built_page() if with_page else None
    placed = place_given(atlas, example)
    token = _checked_token(token) or ("" if _is_loopback(host) else secrets.token_urlsafe(24))
    with _listen(host, port) as listener:
        query = f"?token={token}" if token else ""
        url = f"http://{_shown(host)}:{listener.getsockname()[1]}/{query}"

        def announce() -> None:
            if started is not None:
                started(Listening(url, token))

        access = Access(token, known_hosts(host, allow_hosts))
        config = uvicorn.Config(
            create_app(placed, limits, access, page, announce),
            http=PatientProtocol,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.jobs + limits.queue + 256,
            timeout_graceful_shutdown=3,
        )
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
        if not server.started:
            raise CellportError("The server did not start; the reason stands above.")


def _checked_token(token: str) -> str:
    if any(mark <= " " or mark > "~" or mark in '";,\\' for mark in token):
        raise InputError("The token may hold letters, digits and plain signs only.")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    try:
        if not 0 <= port < 1 << 16:  # the system would take the last 16 bits
            raise ValueError("ports are 0 to 65535")
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=kind, backlog=2048)
    except (OSError, ValueError) as error:
        raise InputError(
            f"Cannot listen on {host} port {port} ({getattr(error, 'strerror', error)}); give "
            "another --host or --port."
        ) from None
    return listener


def _shown(host: str) -> str:
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"[{shown}]" if ":" in shown else shown
