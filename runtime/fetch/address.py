"""An atlas at an address: a file, or a site that ``cellport publish`` wrote."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.base.cache import in_cache
from cellport.runtime.errors import AtlasError
from cellport.runtime.fetch.download import (
    NotThereError,
    Wanted,
    check_url,
    discard,
    download,
    fetch_small,
    one_at_a_time,
)
from cellport.runtime.fetch.kept import OnProgress, is_sha256, kept_at, open_checked
from cellport.runtime.fetch.model_name import ENDING

# the file at the top of a published site that says where its atlas is
SITE = "cellport-site.json"
SITE_KEY = "cellport_site"
SITE_VERSION = 1
_LARGEST_SITE = 4 << 20
_BEGIN = b"PK\x03\x04"


def get_from(
    url: str, sha256: str | None, refresh: bool, largest: int, on_progress: OnProgress | None
) -> tuple[AtlasFile, str, bool]:
    """Return the atlas of an address, where it is from, and whether it came now.

    Raises
    ------
    AtlasError
        There is none, or it is not what it should be.
    OutputError
        The cache cannot be written.
    """
    check_url(url)
    path = kept_at(url)
    if path.is_file() and not refresh:
        return open_checked(path, sha256, url), url, False
    source = url
    if not urlsplit(url).path.endswith(ENDING):
        source, stated = _site(url)
        if sha256 is not None and sha256.lower() != stated:
            raise AtlasError(f"{url} offers an atlas with another SHA-256, {stated}. Refused.")
        sha256 = stated
    with in_cache(path.parent):
        part = path.with_name(f"{path.name}.part")
        with one_at_a_time(part):
            if path.is_file() and (not refresh or _has_sha256(path, sha256)):
                return open_checked(path, sha256, url), url, False
            wanted = Wanted(source, largest, _BEGIN, "a cellport atlas")
            _fetch(wanted, part, sha256, on_progress)
            os.replace(part, path)
            discard(part)
    return open_atlas_file(path), url, True


def _fetch(wanted: Wanted, part: Path, sha256: str | None, on_progress: OnProgress | None) -> None:
    # what an earlier, interrupted fetch left may be of an older file: that is worth a second try
    went_on = part.is_file()
    download(wanted, part, on_progress)
    try:
        open_checked(part, sha256, wanted.url)
    except AtlasError:
        discard(part)
        if not went_on:
            raise
        _fetch(wanted, part, sha256, on_progress)


def _site(url: str) -> tuple[str, str]:
    """Address and SHA-256 of the atlas that a published site offers."""
    base = url if url.endswith("/") else f"{url}/"
    base = base.removesuffix("index.html/")
    try:
        text = json.loads(fetch_small(urljoin(base, SITE), _LARGEST_SITE))
    except (ValueError, RecursionError, NotThereError):
        raise _no_site(url) from None
    atlas: Any = text.get("atlas") if isinstance(text, dict) and SITE_KEY in text else None
    several: Any = text.get("atlases") if isinstance(text, dict) and SITE_KEY in text else None
    if isinstance(several, list):
        files = [one.get("file") for one in several if isinstance(one, dict)]
        offered = ", ".join(urljoin(base, file) for file in files if _is_below(file))
        raise AtlasError(f"{url} has several atlases; fetch one by its own address: {offered}.")
    if not isinstance(atlas, dict):
        raise _no_site(url)
    file, sha256 = atlas.get("file"), atlas.get("sha256")
    plain = isinstance(file, str) and re.fullmatch(r"atlas/[A-Za-z0-9_-]+\.cellport", file)
    if not plain or not isinstance(sha256, str) or not is_sha256(sha256):
        raise AtlasError(f"{url}: its {SITE} names no atlas; publish the site again.")
    return urljoin(base, str(file)), sha256.lower()


def _is_below(file: Any) -> bool:
    """Whether a site names a file of its own, in folders below it."""
    return isinstance(file, str) and bool(
        re.fullmatch(r"([\w-]+/)+[\w-]+\.cellport", file, re.ASCII)
    )


def _no_site(url: str) -> AtlasError:
    return AtlasError(
        f"{url} is neither a {ENDING} file nor a site that cellport published (it has no {SITE})."
    )


def _has_sha256(path: Path, sha256: str | None) -> bool:
    try:
        return open_atlas_file(path).sha256 == sha256
    except AtlasError:  # damaged since, which is worth another fetch
        return False
