"""Files that are written bit by bit, and appear together or not at all."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from cellport.runtime.base.files import PendingOutput, plain_errors

_GZIP_LEVEL = 1
Write = Callable[[BinaryIO], None]


def lines(rows: Iterable[str]) -> Write:
    """Return how to write lines of text."""

    def write(file: BinaryIO) -> None:
        for row in rows:
            file.write(f"{row}\n".encode())

    return write


def gzipped(write: Write) -> Write:
    """Return how to write the same compressed; the same content gives the same file."""

    def write_gzip(file: BinaryIO) -> None:
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as stream:
            write(stream)  # type: ignore[arg-type]

    return write_gzip


def write_files(files: Iterable[tuple[Path, Write]]) -> tuple[str, ...]:
    """Write all files aside, then put each in its place; return their names.

    Raises
    ------
    OutputError
        The disk is full or fails; no file appears.
    """
    written = []
    with ExitStack() as stack:
        for path, write in files:
            with plain_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                hidden = stack.enter_context(PendingOutput(path))
                with hidden.open("wb") as file:
                    write(file)
            written.append(str(path))
    return tuple(written)
