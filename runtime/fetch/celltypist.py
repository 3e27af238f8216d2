"""Models of CellTypist: an index lists them, with the address of each."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from cellport.runtime.base.cache import cache_folder, in_cache
from cellport.runtime.base.files import PendingOutput
from cellport.runtime.base.hints import hint
from cellport.runtime.errors import AtlasError
from cellport.runtime.fetch.download import check_url, fetch_small
from cellport.runtime.fetch.model_name import ModelName
from cellport.runtime.fetch.remote import RemoteFile, RemoteModel, plain

# as celltypist 1.7.1 asks for it (models.py)
INDEX = "https://celltypist.cog.sanger.ac.uk/models/models.json"
_LARGEST_INDEX = 16 << 20
_KEPT = "celltypist-models.json"
_FILE = re.compile(r"[\w.+-]{1,100}\.pkl", re.ASCII)
_PICKLE = b"\x80"  # of every protocol since 2, that of Python 2.3


@dataclass(frozen=True, slots=True)
class Listed:
    """A model, as the index has it."""

    name: str  # its file, without .pkl
    url: str
    version: str
    date: str
    details: str  # what it is of, in a line
    source: str  # address of the paper
    n_labels: str


def find_celltypist(name: ModelName) -> RemoteModel:
    """Ask the index where a model is.

    Raises
    ------
    AtlasError
        The index cannot be fetched, or has no such model.
    """
    models = _fetch_index()
    if name.model not in models:
        raise AtlasError(f"CellTypist has no model {name.model!r}. {hint(name.model, models)}")
    found = models[name.model]
    check_url(found.url)
    if _index_url().startswith("https:") and not found.url.startswith("https:"):
        raise AtlasError(f"{_index_url()} leads to an address that is not encrypted. Refused.")
    dated = ", ".join(filter(None, (found.version, found.date)))
    return RemoteModel(
        files=(RemoteFile(found.url, f"{found.name}.pkl", begins=_PICKLE),),
        name=found.name,
        source=f"{found.details + ': ' if found.details else ''}{found.url}"
        + (f" ({dated})" if dated else ""),
        fixed=False,
        attribution=f"Model {found.name} of CellTypist, converted, not retrained; cite "
        f"{found.source or 'https://www.celltypist.org'}.",
    )


def kept_index() -> dict[str, Listed]:
    """Models of the index that was last fetched, by name; none where none ever was."""
    try:
        return _read((cache_folder() / _KEPT).read_bytes(), INDEX)
    except (OSError, AtlasError):
        return {}


def _fetch_index() -> dict[str, Listed]:
    url = _index_url()
    data = fetch_small(url, _LARGEST_INDEX)
    models = _read(data, url)
    path: Path = cache_folder() / _KEPT
    with in_cache(path.parent), PendingOutput(path) as hidden:
        hidden.write_bytes(data)
    return models


def _index_url() -> str:
    return os.environ.get("CELLPORT_CELLTYPIST_INDEX") or INDEX


def _read(data: bytes, url: str) -> dict[str, Listed]:
    try:
        rows: Any = json.loads(data)["models"]
        models = [_listed(row, url) for row in rows if _is_listed(row)]
    except (ValueError, TypeError, LookupError, RecursionError):
        models = []
    if not models:
        raise AtlasError(f"{url} sends something else than CellTypist's index of models.")
    return {model.name: model for model in models}


def _is_listed(row: Any) -> bool:
    texts = isinstance(row, dict) and all(isinstance(row.get(k), str) for k in ("filename", "url"))
    return texts and _FILE.fullmatch(row["filename"]) is not None


def _listed(row: dict[str, Any], url: str) -> Listed:
    said = {key: plain(value) for key, value in row.items()}
    return Listed(
        name=said["filename"].removesuffix(".pkl"),
        url=urljoin(url, row["url"]),
        version=said.get("version", ""),
        date=said.get("date", "")[:10],
        details=said.get("details", ""),
        source=said.get("source", ""),
        n_labels=said.get("No_celltypes", ""),
    )
