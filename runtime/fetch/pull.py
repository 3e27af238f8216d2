"""Get an atlas by name or address: fetched once, checked, kept, and found offline afterwards."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.base.files import PendingOutput, check_place, plain_errors
from cellport.runtime.base.hints import hint
from cellport.runtime.errors import AtlasError
from cellport.runtime.fetch.kept import LARGEST, OnProgress, is_sha256, kept_at, open_checked
from cellport.runtime.fetch.model_name import ENDING, is_model_name, read_model_name
from cellport.runtime.fetch.registry import Entry, is_name, known_atlases


@dataclass(frozen=True, slots=True)
class Pulled:
    """An atlas that is here now."""

    path: str
    name: str
    sha256: str
    size: int  # bytes
    source: str  # the address it came from, or "cellport" when it comes with the package
    fetched: bool  # it had to be fetched, and was not here before
    notes: tuple[str, ...] = ()  # of a published model: what its conversion found


def pull(
    atlas: str,
    out: str | os.PathLike[str] | None = None,
    *,
    sha256: str | None = None,
    refresh: bool = False,
    largest: int = LARGEST,
    on_progress: OnProgress | None = None,
) -> Pulled:
    """Get an atlas by name or address and keep it for later, offline use.

    Parameters
    ----------
    atlas
        A name that `known_atlases` has; a published model (``celltypist:NAME``,
        ``hf:OWNER/REPO``, ``hf:OWNER/REPO@REVISION/FOLDER``), which is converted; or the
        ``http(s)`` address of a ``.cellport`` file or of a site that ``cellport publish`` wrote.
    out
        Copy it here too: a file, or a folder that is there.
    sha256
        What the SHA-256 of the file that is fetched must be. A site, the registry and the Hugging
        Face hub state one themselves.
    refresh
        Ask the address again although the atlas is here.
    largest
        Most bytes to take.
    on_progress
        Called with the bytes that came, and those that will come where the server said.

    Raises
    ------
    AtlasError
        No such name or address, or what it sends is not the atlas it should be.
    OutputError
        The atlas cannot be written to the cache or to `out`.
    MissingDependencyError
        What converting a published model needs is not installed.
    """
    file, source, fetched, notes = _here(atlas, sha256, refresh, largest, on_progress)
    path = file.path if out is None else _copy_out(file, Path(out))
    size = file.path.stat().st_size
    return Pulled(str(path), file.manifest.name, file.sha256, size, source, fetched, notes)


def _here(
    atlas: str,
    sha256: str | None = None,
    refresh: bool = False,
    largest: int = LARGEST,
    on_progress: OnProgress | None = None,
) -> tuple[AtlasFile, str, bool, tuple[str, ...]]:
    """Return an atlas by name or address, where it is from, whether it came now, and notes."""
    if sha256 is not None and not is_sha256(sha256):
        raise AtlasError(f"{sha256!r} is not a SHA-256; it has 64 hexadecimal digits.")
    if is_model_name(atlas):
        name = read_model_name(atlas)
        from cellport.runtime.fetch.published import get_published

        made = get_published(name, sha256, refresh, largest, on_progress)
        return made.file, str(name), made.fetched, made.notes
    return *_get(atlas, sha256, refresh, largest, on_progress), ()


def find_atlas(atlas: str | os.PathLike[str]) -> Path:
    """Return the file of an atlas given by path, name or address; fetch it when it is not here.

    Names are those that `pull` takes. A file or folder of that name in the working directory
    comes before a known name.

    Raises
    ------
    AtlasError
        No such file, name or address, or what it sends is not the atlas it should be.
    OutputError
        The cache cannot be written.
    """
    found = _searched(atlas, None)
    return found if isinstance(found, Path) else found.path


def find_file(atlas: str | os.PathLike[str], on_progress: OnProgress | None = None) -> AtlasFile:
    """Return what `find_atlas` finds, opened and checked, once.

    Raises
    ------
    AtlasError
        As `find_atlas` and `open_atlas_file`.
    OutputError
        The cache cannot be written.
    """
    found = _searched(atlas, on_progress)
    return open_atlas_file(found) if isinstance(found, Path) else found


def _searched(atlas: str | os.PathLike[str], on_progress: OnProgress | None) -> AtlasFile | Path:
    """Find an atlas; what was opened to check what it is comes open."""
    text, path = os.fspath(atlas), Path(atlas)
    is_address = isinstance(atlas, str) and _is_url(text)
    if not is_address and not (is_model_name(text) and not path.exists()):
        if path.exists() or not is_name(text):
            return path
        if text not in known_atlases():
            raise AtlasError(f"No such atlas file: {text}. {hint(text, known_atlases())}")
    return _here(text, on_progress=on_progress)[0]


def file_name(file: AtlasFile) -> str:
    """File name for an atlas: its name, in characters that are safe in any folder and address."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", file.manifest.name).strip("-")[:80]
    return f"{slug or 'atlas'}{ENDING}"


def cached(entry: Entry) -> bool:
    """Whether a known atlas can be used without a network."""
    if entry.path is not None:
        return entry.path.is_file()
    return entry.url is not None and kept_at(entry.url).is_file()


def _get(
    atlas: str, sha256: str | None, refresh: bool, largest: int, on_progress: OnProgress | None
) -> tuple[AtlasFile, str, bool]:
    if _is_url(atlas):
        return _get_from(atlas, sha256, refresh, largest, on_progress)
    entry = known_atlases().get(atlas)
    if entry is None:
        check = "" if is_name(atlas) else "It is neither a name nor an http(s) address. "
        raise AtlasError(f"No atlas {atlas!r} is known. {check}{hint(atlas, known_atlases())}")
    if entry.path is not None:
        return open_checked(entry.path, sha256 or entry.sha256, atlas), "cellport", False
    return _get_from(str(entry.url), sha256 or entry.sha256, refresh, largest, on_progress)


def _get_from(
    url: str, sha256: str | None, refresh: bool, largest: int, on_progress: OnProgress | None
) -> tuple[AtlasFile, str, bool]:
    # what speaks to servers is loaded for an address alone
    from cellport.runtime.fetch.address import get_from

    return get_from(url, sha256, refresh, largest, on_progress)


def _copy_out(file: AtlasFile, out: Path) -> Path:
    target = out / file_name(file) if out.is_dir() else out
    check_place(target)
    with plain_errors(target), PendingOutput(target) as hidden:
        shutil.copyfile(file.path, hidden)
    return target


def _is_url(text: str) -> bool:
    return "://" in text
