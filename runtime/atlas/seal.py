"""The seal of an atlas file, and large files that are known to be whole.

The last 64 bytes of a file are the SHA-256 of all before them. To hash a gigabyte takes more than
a second, and reads all of it, at each start of a mapping that needs a few megabytes. So a large
file that was found whole is known again by its size, its times and its place on the disk, which a
small file in the cache folder keeps; then its manifest is hashed, and each member when it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cellport.runtime.base.cache import cache_folder, in_cache
from cellport.runtime.base.files import whole_file
from cellport.runtime.decisions import say
from cellport.runtime.errors import AtlasError, CellportError

MARK = b"cellport atlas, sha256 of all bytes before these 64: "
# bytes; a smaller file is hashed in a tenth of a second
LARGE = 64 << 20
# nanoseconds: file systems tell times to two seconds at worst, and what has just changed may change
# again unseen
_SETTLED = 2_000_000_000


def unsealed() -> bytes:
    """Comment of a zip that has no seal yet."""
    return MARK + b"0" * 64


def seal(handle: Any) -> str:
    """Seal a file that ends with `unsealed`, open to read and write; its SHA-256, hexadecimal."""
    whole = hashlib.sha256()
    left = handle.seek(-64, os.SEEK_END)
    handle.seek(0)
    while left:
        block = handle.read(min(left, 1 << 20))
        whole.update(block)
        left -= len(block)
    text = whole.hexdigest().encode()
    handle.seek(-64, os.SEEK_END)
    handle.write(text)
    whole.update(text)
    return whole.hexdigest()


def check_seal(data: memoryview, path: Path) -> str:
    """Hash the whole of a file that is what its seal says; its SHA-256, hexadecimal.

    Raises
    ------
    AtlasError
        It is cut off, something else, or has changed since it was sealed.
    """
    tail = bytes(data[-64 - len(MARK) :])
    if bytes(data[:4]) != b"PK\x03\x04" or not tail.startswith(MARK):
        raise AtlasError(say("atlas_file.not_whole", atlas=path))
    whole = hashlib.sha256(data[:-64])
    if tail[-64:].decode("latin-1") != whole.hexdigest():
        raise AtlasError(say("atlas_file.broken_seal", atlas=path))
    whole.update(data[-64:])
    return whole.hexdigest()


def state_of(handle: Any) -> dict[str, int]:
    """Return what tells an open file from another, or from itself after a change."""
    status = os.fstat(handle.fileno())
    return {
        "size": status.st_size,
        "modified": status.st_mtime_ns,
        "changed": status.st_ctime_ns,
        "inode": status.st_ino,
        "device": status.st_dev,
        "settled": time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED,
    }


def known(path: Path, state: dict[str, int], manifest: Callable[[], memoryview]) -> str:
    """SHA-256 of a large file that was found whole before, "" where that is not known.

    `manifest` reads the bytes of the file's manifest, which have to be those of then.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, CellportError):
        kept = json.loads(_place(path).read_bytes())
        same = kept["file"] == state
        if same and kept["manifest"] == hashlib.sha256(manifest()).hexdigest():
            return str(kept["sha256"])
    return ""


def remember(path: Path, state: dict[str, int], sha256: str, manifest: memoryview) -> None:
    """Keep that a large file was found whole in this state, where the cache can be written."""
    if not state["settled"]:
        return
    kept = {"file": state, "sha256": sha256, "manifest": hashlib.sha256(manifest).hexdigest()}
    with suppress(OSError, CellportError):
        place = _place(path)
        with in_cache(place.parent), whole_file(place, json.dumps(kept).encode()):
            pass


def _place(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
    return cache_folder() / "found-whole" / f"{name}.json"
