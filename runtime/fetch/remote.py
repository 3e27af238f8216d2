"""The files of a published model: fetched into a folder, each checked as its hub lists it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellport.runtime.errors import AtlasError
from cellport.runtime.fetch.download import Wanted, discard, download
from cellport.runtime.fetch.kept import OnProgress

_SHA256 = 64  # hexadecimal digits
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a model, as its hub lists it."""

    url: str
    name: str  # in the folder that it is fetched to
    size: int | None = None  # bytes, where the hub says
    digest: str = ""  # SHA-256, or else the SHA-1 that git has for the file; hexadecimal
    begins: bytes = b""
    token: str = ""


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model that a hub has."""

    files: tuple[RemoteFile, ...]  # the one that is the model first, then those it needs
    name: str  # of the atlas
    source: str
    fixed: bool  # what the source names never changes
    authors: str = ""
    licence: str = ""
    attribution: str = ""


def plain(words: object, most: int = 500) -> str:
    """Words of a hub on one line, bounded, without what a terminal would take for a command."""
    line = " ".join(str(words).split())
    return "".join(one for one in line if one.isprintable())[:most]


def fetch_file(
    file: RemoteFile, folder: Path, largest: int, on_progress: OnProgress | None
) -> Path:
    """Fetch a file, or go on where an earlier call ended; return where it is.

    Raises
    ------
    AtlasError
        It cannot be fetched, or is not what the hub lists.
    """
    path = folder / file.name
    went_on = path.is_file()
    wanted = Wanted(file.url, largest, file.begins, "a model", file.token)
    download(wanted, path, on_progress)
    wrong = _wrong(file, path)
    if not wrong:
        return path
    discard(path)
    if went_on:  # what was left may be of an older file
        return fetch_file(file, folder, largest, on_progress)
    raise AtlasError(f"{file.url} {wrong} that its hub lists. Refused; try again.")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    return _digest(hashlib.sha256(), path)


def _wrong(file: RemoteFile, path: Path) -> str:
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"sends {size:,} bytes, not the {file.size:,}"
    if not file.digest:
        return ""
    if len(file.digest) == _SHA256:
        found, kind = file_sha256(path), "SHA-256"
    else:
        # git: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        begun = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        found, kind = _digest(begun, path), "SHA-1 of git"
    return "" if found == file.digest else f"has the {kind} {found}, not the {file.digest}"


def _digest(begun: Any, path: Path) -> str:
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            begun.update(block)
    return str(begun.hexdigest())
