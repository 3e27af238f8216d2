"""Atlases known by name: the small ones that come with the package, and addresses of others."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Entry:
    """A known atlas: one that comes with the package has a file, one that is fetched a url.

    An atlas that was made of a published model has neither; of a model that is not here yet,
    SHA-256 and size of its atlas are not known.
    """

    name: str  # as on the command line
    file: str | None  # in the package's folder of pretrained atlases
    url: str | None
    sha256: str
    size: int  # bytes
    description: str  # one line

    @property
    def path(self) -> Path | None:
        """Where it lies when it comes with the package."""
        return None if self.file is None else _folder() / "pretrained" / self.file


@cache
def known_atlases() -> dict[str, Entry]:
    """Return the registry, by name."""
    text: dict[str, dict[str, Any]] = json.loads((_folder() / "registry.json").read_text("utf-8"))
    return {name: Entry(name, **{"file": None, "url": None, **of}) for name, of in text.items()}


def is_name(text: str) -> bool:
    """Whether a text could be the name of a known atlas: no path, no ending."""
    return _NAME.fullmatch(text) is not None


def _folder() -> Path:
    return Path(str(files("cellport.models")))
