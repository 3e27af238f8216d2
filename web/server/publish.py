"""Write an atlas and the page as one static folder, for any file server."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellport.runtime.base.files import PendingOutput, check_place, plain_errors
from cellport.runtime.errors import OutputError
from cellport.runtime.fetch.address import SITE, SITE_KEY, SITE_VERSION
from cellport.runtime.fetch.pull import file_name
from cellport.runtime.version import __version__
from cellport.web.server.site import (
    EXAMPLE,
    LIST,
    ExampleCells,
    PlacedAtlas,
    built_page,
    list_bytes,
    manifest_bytes,
    page_files,
    place_given,
)


@dataclass(frozen=True, slots=True)
class PublishedAtlas:
    """An atlas of a site."""

    name: str
    download: str  # the whole atlas, relative to the folder
    sha256: str  # of that file


@dataclass(frozen=True, slots=True)
class Published:
    """A site that was written."""

    folder: str
    atlas: str  # its name; of several, of the first
    download: str  # the whole atlas, relative to the folder
    sha256: str  # of that file
    n_files: int  # of the whole site
    n_bytes: int
    others: tuple[PublishedAtlas, ...] = ()


def publish(
    atlas: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    page: Path | None = None,
    example: ExampleCells | Sequence[ExampleCells | None] | None = None,
) -> Published:
    """Write a site: the page, each atlas's members as files, and the whole atlas to download.

    Of several atlases the page offers a choice; `example` then has an entry for each.

    The folder must not exist, be empty, or be an earlier site with nothing added to it, which is
    replaced. The page is the one that comes with the package when None; visitors can map the
    example cells with one click.

    Raises
    ------
    AtlasError
        No such atlas, or a damaged one.
    InputError
        There is none, or two have files of one name.
    MissingDependencyError
        The page has not been built.
    OutputError
        The folder holds something else or cannot be written; nothing is left behind then.
    """
    page = built_page() if page is None else page
    placed = place_given(atlas, example)
    target = Path(os.path.realpath(folder))
    _check_target(target, folder)
    sentence = "The site '{path}' cannot be written: {system}."
    with plain_errors(folder, sentence), PendingOutput(target) as part:
        part.mkdir()
        return _write_site(part, page, placed, str(folder))


def _write_site(part: Path, page: Path, placed: Sequence[PlacedAtlas], folder: str) -> Published:
    for name in page_files(page):
        _copy(page / name, part / name)
    _write(part / LIST, list_bytes(placed))
    found = tuple(_write_atlas(part, one) for one in placed)
    named = [
        {"file": one.download, "sha256": one.sha256, "size": (part / one.download).stat().st_size}
        for one in found
    ]
    files = dict(_sizes(part))
    text = {
        SITE_KEY: SITE_VERSION,
        "cellport_version": __version__,
        **({"name": found[0].name, "atlas": named[0]} if len(found) == 1 else {"atlases": named}),
        "files": sorted([*files, SITE]),
    }
    _write(part / SITE, json.dumps(text, indent=1).encode())
    n_bytes = sum(files.values()) + (part / SITE).stat().st_size
    first, others = found[0], found[1:]
    n_files = len(files) + 1
    return Published(folder, first.name, first.download, first.sha256, n_files, n_bytes, others)


def _write_atlas(part: Path, placed: PlacedAtlas) -> PublishedAtlas:
    atlas, folder = placed.file, part / placed.folder
    _write(folder / "manifest.json", manifest_bytes(atlas, placed.example))
    if placed.example is not None:
        _write(folder / EXAMPLE, placed.example.data)
    for name in atlas.members:
        _write(folder / name, atlas.read(name))
    whole = file_name(atlas)
    _copy(atlas.path, folder / whole)
    _write(folder / f"{whole}.sha256", f"{atlas.sha256}  {whole}\n".encode())
    return PublishedAtlas(atlas.manifest.name, f"{placed.folder}/{whole}", atlas.sha256)


def _check_target(target: Path, said: str | os.PathLike[str]) -> None:
    check_place(said, folder=True)
    if not target.exists():
        return
    there = {name for name, _ in _sizes(target)}
    if not there and not any(target.iterdir()):
        return
    foreign = sorted(there - _earlier_files(target))
    if foreign or not there:
        raise OutputError(
            f"The folder '{said}' holds {foreign[0] if foreign else 'other folders'!r}, which "
            "cellport publish did not write; give a new or empty folder."
        )


def _earlier_files(target: Path) -> set[str]:
    """Names that an earlier site in this folder lists as its own; none when it is no site."""
    try:
        text = json.loads((target / SITE).read_bytes())
    except (OSError, ValueError):
        return set()
    files = text.get("files") if isinstance(text, dict) and SITE_KEY in text else None
    return {name for name in files if isinstance(name, str)} if isinstance(files, list) else set()


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix(), path.lstat().st_size


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(path: Path, data: bytes | memoryview) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
