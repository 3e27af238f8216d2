"""The folder in which what was fetched is kept for later."""

from __future__ import annotations

import os
from pathlib import Path

from cellport.runtime.errors import AtlasError


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
