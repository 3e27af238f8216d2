"""The folder in which what was fetched is kept for later."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellport.runtime.base.files import plain_errors
from cellport.runtime.errors import AtlasError

_NO_CACHE = "'{path}' cannot be written ({system}); set CELLPORT_CACHE to a folder that can."


def cache_folder() -> Path:
    """Where this system keeps what can be fetched again; ``CELLPORT_CACHE`` says otherwise."""
    if os.environ.get("CELLPORT_CACHE"):
        return Path(os.environ["CELLPORT_CACHE"])
    if not os.path.isabs(os.path.expanduser("~")):
        raise AtlasError(
            "This user has no home folder to keep atlases in; name one in CELLPORT_CACHE."
        )
    import platformdirs

    return platformdirs.user_cache_path("cellport", appauthor=False, opinion=False)


@contextmanager
def in_cache(folder: Path) -> Iterator[None]:
    """Make a folder of the cache; where it cannot be written, say how to have another.

    Raises
    ------
    OutputError
        Saying so.
    """
    with plain_errors(folder, _NO_CACHE):
        folder.mkdir(parents=True, exist_ok=True)
        yield
