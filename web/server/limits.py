"""How much the server takes on at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cellport.runtime.errors import InputError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the server."""

    max_upload: int = 2 * 10**9  # bytes of one file
    jobs: int = 2  # files mapped at a time, each in a process of its own
    queue: int = 256  # further files that may wait or be on their way
    seconds: float = 900.0  # that mapping one file may take
    idle: float = 30.0  # seconds without a byte after which an upload is given up
    slowest: float = 50_000.0  # bytes a second that an upload must keep up with, after a minute

    @property
    def held(self) -> int:
        """Most bytes of all uploads that lie on the disk at a time."""
        return max(4 * self.max_upload, 10**8)

    @property
    def result(self) -> int:
        """Most bytes of one result: a small file may claim any number of empty cells."""
        return max(self.max_upload, 10**8)


def parse_size(text: str) -> int:
    """Return a number of bytes written as ``500MB`` or ``2GB``.

    Raises
    ------
    InputError
        It is not written so.
    """
    match = re.fullmatch(r"([0-9]{1,9})\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if match is None or not int(match[1]):
        raise InputError(f"{text!r} is not a size; write it as 500MB or 2GB.")
    return int(match[1]) * _UNITS[match[2].upper()]
