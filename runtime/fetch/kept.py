"""Where fetched atlases are kept, and what they have to be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.base.cache import cache_folder
from cellport.runtime.errors import AtlasError
from cellport.runtime.fetch.model_name import ENDING

LARGEST = 8 << 30  # bytes of a file, unless it is said otherwise

# takes the bytes that came, and those that will come where the server said
OnProgress = Callable[[int, int | None], None]


def open_checked(path: Path, sha256: str | None, said: str) -> AtlasFile:
    """Open an atlas, which must have this SHA-256 where one is given.

    Raises
    ------
    AtlasError
        Naming what was `said`, a name or an address.
    """
    file = open_atlas_file(path)
    if sha256 is not None and file.sha256 != sha256.lower():
        raise AtlasError(
            f"{said}: the atlas has SHA-256 {file.sha256}, not {sha256.lower()} as it should. "
            "Refused."
        )
    return file


def kept_at(url: str) -> Path:
    """Return the file in which an atlas from an address is kept."""
    # the address decides, so that an atlas is found again without asking anybody
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    stem = Path(urlsplit(url).path).name.removesuffix(ENDING)
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:60] or "atlas"
    return cache_folder() / f"{readable}-{key}{ENDING}"


def is_sha256(text: str) -> bool:
    """Whether a text is a SHA-256 in hexadecimal digits."""
    return re.fullmatch(r"[0-9a-fA-F]{64}", text) is not None
