"""Fetch one file over HTTP: bounded, resumed after an interruption, whole or not at all."""

from __future__ import annotations

import http.client
import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cellport.runtime.base.files import PendingOutput
from cellport.runtime.errors import AtlasError
from cellport.runtime.version import __version__

if TYPE_CHECKING:
    from cellport.runtime.fetch.kept import OnProgress

SECONDS = 30.0
_LONGEST_LENGTH = 19  # digits of a number of bytes that is believed
_MOST_REDIRECTS = 5
_ATTEMPTS = 4
_CHUNK = 1 << 18
_PAUSE = 0.3
_LONGEST_WAIT = 7 * 24 * 3600.0  # seconds; what asks for more is no wait to be named
_SECRET = "Authorization"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch."""

    url: str  # http or https
    largest: int  # most bytes to take
    begins: bytes  # the first bytes of every right file
    kind: str  # what the file should be, for messages: "a cellport atlas"
    token: str = ""  # secret to send to the server of `url`, and to no other


class AnswerError(AtlasError):
    """The server answered, but not with the file."""

    def __init__(self, said: str, code: int, reason: str = "") -> None:
        super().__init__(said)
        self.code = code  # of HTTP
        self.reason = reason  # X-Error-Code, by which the Hugging Face hub says more


class NotThereError(AnswerError):
    """The server has no such file."""


class UnreachableError(AtlasError):
    """There is no server, or no network."""


class _InterruptedError(Exception):
    """The connection ended before the file did."""


def check_url(url: str) -> None:
    """Refuse what is not an ``http`` or ``https`` address.

    Raises
    ------
    AtlasError
        Saying so.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise AtlasError(f"{url} is not a valid address.") from None
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise AtlasError(f"{url} cannot be fetched: only http:// and https:// addresses can.")
    if any(mark <= " " or mark > "~" for mark in url):
        raise AtlasError(f"{url!r} is not a valid address: it holds blanks or special characters.")


def download(wanted: Wanted, part: Path, on_progress: OnProgress | None = None) -> None:
    """Fetch a file into `part`, going on from what an interrupted fetch left there.

    What is there is kept when the connection fails, so that the next call goes on from it; a
    ``.json`` beside it remembers which version of which address it is from. `on_progress` is
    called with the bytes there are, and those there will be where the server said.

    Raises
    ------
    AtlasError
        The address cannot be reached, sends something else, or more than the bound.
    """
    check_url(wanted.url)
    tries = _ATTEMPTS
    while True:
        before = _size(part)
        try:
            _attempt(wanted, part, on_progress)
            return
        except _InterruptedError as error:
            # a connection that brought something may be tried again for as long as it does so
            tries = _ATTEMPTS if _size(part) > before else tries - 1
            if tries <= 0:
                raise AtlasError(
                    f"{wanted.url}: the connection broke ({error}) with {_size(part):,} bytes "
                    "here. Do the same again to go on from there."
                ) from None
            time.sleep(_PAUSE)


def fetch_small(url: str, largest: int, token: str = "") -> bytes:
    """Return a small file; a `token` goes to the server of the address alone.

    Raises
    ------
    AtlasError
        The address cannot be reached, or sends more than `largest` bytes.
    """
    check_url(url)
    with _open(url, {}, token) as response:
        try:
            data: bytes = response.read(largest + 1)
        except (OSError, http.client.HTTPException) as error:
            raise AtlasError(f"{url}: the connection broke ({_reason(error)}).") from None
        wanted = min(_length(response) or 0, largest + 1)
    if len(data) < wanted:
        raise AtlasError(f"{url}: the connection broke ({len(data):,} bytes came); try again.")
    if len(data) > largest:
        raise AtlasError(f"{url} sends more than {largest:,} bytes. Refused.")
    return data


def discard(part: Path) -> None:
    """Forget what an interrupted fetch left."""
    for path in (part, _notes(part)):
        path.unlink(missing_ok=True)


@contextmanager
def one_at_a_time(part: Path) -> Iterator[None]:
    """Wait while another process writes the same file."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows alone
        yield
        return
    with part.with_name(f"{part.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _attempt(wanted: Wanted, part: Path, on_progress: OnProgress | None) -> None:
    have = _size(part)
    notes = _read_notes(part) if have else {}
    headers = {}
    if have and notes.get("url") == wanted.url:
        if have == notes.get("total"):
            return
        headers["Range"] = f"bytes={have}-"
        if notes.get("validator"):
            headers["If-Range"] = str(notes["validator"])
    try:
        response = _open(wanted.url, headers, wanted.token)
    except _RangeRefusedError:
        discard(part)
        response = _open(wanted.url, {}, wanted.token)
    with response:
        start = _start(response, have)
        length = _length(response)
        total = None if length is None else start + length
        if total is not None and total > wanted.largest:
            raise _too_large(wanted, total)
        _write_notes(part, wanted.url, _validator(response), total)
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            _copy(response, file, start, total, wanted, on_progress)


def _copy(
    response: Any, file: IO[bytes], done: int, total: int | None, wanted: Wanted,
    on_progress: OnProgress | None,
) -> None:  # fmt: skip
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _InterruptedError(_reason(error)) from None
        if not chunk:
            break
        if done == 0 and not chunk.startswith(wanted.begins[: len(chunk)]):
            kind = response.headers.get_content_type()
            raise AtlasError(
                f"{wanted.url} sends {kind}, not {wanted.kind}; is it the address of the file "
                "itself?"
            )
        done += len(chunk)
        if done > wanted.largest:
            raise _too_large(wanted, done)
        file.write(chunk)
        if on_progress is not None:
            on_progress(done, total)
    if total is not None and done < total:
        raise _InterruptedError(f"{done:,} of {total:,} bytes came")
    if done == 0:
        raise AtlasError(f"{wanted.url} sends an empty file, not {wanted.kind}.")


def _start(response: Any, have: int) -> int:
    """Position that the body begins at: `have` where the server goes on, else 0."""
    if response.status != http.client.PARTIAL_CONTENT:
        return 0
    stated = str(response.headers.get("Content-Range", ""))
    if not stated.startswith(f"bytes {have}-"):
        raise AtlasError(f"{response.url} answers a request for a part with another part.")
    return have


def _length(response: Any) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) < _LONGEST_LENGTH else None


def _validator(response: Any) -> str:
    """Return what names this version of the file for If-Range: a strong ETag, or its date."""
    tag = str(response.headers.get("ETag", ""))
    return tag if tag.startswith('"') else str(response.headers.get("Last-Modified", ""))


class _RangeRefusedError(Exception):
    """The server does not have the range asked for."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = _MOST_REDIRECTS

    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
    ) -> Any:
        check_url(newurl)
        if req.type == "https" and urlsplit(newurl).scheme.lower() != "https":
            raise AtlasError(f"{req.full_url} leads to an address that is not encrypted. Refused.")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        secret = req.unredirected_hdrs.get(_SECRET)
        if request is not None and secret and _server(newurl) == _server(req.full_url):
            request.add_unredirected_header(_SECRET, secret)
        return request


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def _open(url: str, headers: dict[str, str], token: str = "") -> Any:
    agent = {"User-Agent": f"cellport/{__version__}", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers={**agent, **headers})
    if token:
        request.add_unredirected_header(_SECRET, f"Bearer {token}")
    try:
        return urllib.request.build_opener(_Redirects).open(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and "Range" in headers:
            raise _RangeRefusedError from None
        if error.code >= http.client.INTERNAL_SERVER_ERROR and "Range" in headers:
            raise _InterruptedError(f"HTTP {error.code}") from None
        kind = NotThereError if error.code == http.client.NOT_FOUND else AnswerError
        said = f"{url} cannot be fetched: {_http_reason(error)}."
        raise kind(said, error.code, str(error.headers.get("X-Error-Code", ""))) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if "Range" in headers:
            raise _InterruptedError(_reason(error)) from None
        raise UnreachableError(
            f"{url} cannot be reached ({_reason(error)}). Check the address and the network."
        ) from None


def _http_reason(error: urllib.error.HTTPError) -> str:
    if error.code == http.client.NOT_FOUND:
        return "there is no such file on that server (HTTP 404)"
    if 300 <= error.code < 400:
        if "not allowed" in str(error.reason):
            return "it leads elsewhere, and only http:// and https:// addresses can be fetched"
        return f"it leads from one address to the next more than {_MOST_REDIRECTS} times"
    if error.code == http.client.TOO_MANY_REQUESTS:
        return f"the server had too many requests (HTTP 429); try again {_wait(error)}"
    return f"the server answers HTTP {error.code}"


def _wait(error: urllib.error.HTTPError) -> str:
    """How long the server asks to wait: Retry-After holds seconds, or a date."""
    said = str(error.headers.get("Retry-After", "")).strip()
    seconds = float(said) if said.isdecimal() else 0.0
    if said and not seconds:
        with suppress(ValueError, OverflowError):
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
    if not 0 < seconds < _LONGEST_WAIT:
        return "later"
    if seconds < 2 * 60:
        return f"in {math.ceil(seconds)} seconds"
    return f"in {math.ceil(seconds / 60)} minutes"


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None) or error
    said = str(getattr(inner, "strerror", None) or inner)
    return said.splitlines()[0][:200] if said else type(inner).__name__


def _too_large(wanted: Wanted, size: int) -> AtlasError:
    return AtlasError(
        f"{wanted.url} sends at least {size:,} bytes, more than the {wanted.largest:,} allowed. "
        "Refused."
    )


def _size(part: Path) -> int:
    with suppress(OSError):
        return part.stat().st_size
    return 0


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_notes(part: Path) -> dict[str, Any]:
    try:
        notes = json.loads(_notes(part).read_bytes())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _write_notes(part: Path, url: str, validator: str, total: int | None) -> None:
    with PendingOutput(_notes(part), alone=True) as hidden:
        hidden.write_text(json.dumps({"url": url, "validator": validator, "total": total}))
