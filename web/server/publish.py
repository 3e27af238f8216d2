"""Write an atlas and the page as one static folder, for any file server."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.base.files import PendingOutput, check_place, plain_errors
from cellport.runtime.errors import OutputError
from cellport.runtime.fetch.pull import SITE, SITE_KEY, SITE_VERSION, file_name
from cellport.runtime.version import __version__
from cellport.web.server.site import (
    EXAMPLE,
    ExampleCells,
    built_page,
    manifest_bytes,
    page_files,
)


@dataclass(frozen=True, slots=True)
class Published:
    """A site that was written."""

    folder: str
    atlas: str  # its name
    download: str  # the whole atlas, relative to the folder
    sha256: str  # of that file
    n_files: int  # of the whole site
    n_bytes: int


def publish(
    atlas: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    page: Path | None = None,
    example: ExampleCells | None = None,
) -> Published:
    """Write a site: the page, the atlas's members as files, and the whole atlas to download.

    The folder must not exist, be empty, or be an earlier site with nothing added to it, which is
    replaced. The page is the one that comes with the package when None; visitors can map the
    example cells with one click.

    Raises
    ------
    AtlasError
        No such atlas, or a damaged one.
    MissingDependencyError
        The page has not been built.
    OutputError
        The folder holds something else or cannot be written; nothing is left behind then.
    """
    page = built_page() if page is None else page
    opened = open_atlas_file(atlas)
    target = Path(os.path.realpath(folder))
    _check_target(target, folder)
    sentence = "The site '{path}' cannot be written: {system}."
    with plain_errors(folder, sentence), PendingOutput(target) as part:
        part.mkdir()
        return _write_site(part, page, opened, str(folder), example)


def _write_site(
    part: Path, page: Path, atlas: AtlasFile, folder: str, example: ExampleCells | None
) -> Published:
    for name in page_files(page):
        _copy(page / name, part / name)
    download = f"atlas/{file_name(atlas)}"
    _write(part / "atlas/manifest.json", manifest_bytes(atlas, example))
    if example is not None:
        _write(part / "atlas" / EXAMPLE, example.data)
    for name in atlas.members:
        _write(part / "atlas" / name, atlas.read(name))
    _copy(atlas.path, part / download)
    line = f"{atlas.sha256}  {Path(download).name}\n"
    _write(part / f"{download}.sha256", line.encode())
    files = dict(_sizes(part))
    text = {
        SITE_KEY: SITE_VERSION,
        "cellport_version": __version__,
        "name": atlas.manifest.name,
        "atlas": {"file": download, "sha256": atlas.sha256, "size": atlas.path.stat().st_size},
        "files": sorted([*files, SITE]),
    }
    _write(part / SITE, json.dumps(text, indent=1).encode())
    n_bytes = sum(files.values()) + (part / SITE).stat().st_size
    return Published(folder, atlas.manifest.name, download, atlas.sha256, len(files) + 1, n_bytes)


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
