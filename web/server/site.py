"""The parts of a site: the built page, and the members of an atlas as separate files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellport.runtime.atlas.file import MANIFEST, AtlasFile, open_atlas_file
from cellport.runtime.errors import AtlasError, InputError, MissingDependencyError
from cellport.runtime.mapping.annotate.beside_label.terms import terms_of

PAGE = Path(__file__).parent.parent / "page" / "dist"
# where a site has cells to try it with, beside the atlas's parts
EXAMPLE = "example.h5ad"
# which atlases a site has
LIST = "atlases.json"
# every visit fetches them
_LARGEST_EXAMPLE = 8_000_000
_BUILD = "npm install --prefix web/page && npm run build --prefix web/page"


@dataclass(frozen=True, slots=True)
class ExampleCells:
    """Cells that visitors of the page can map with one click."""

    name: str  # of the file, as the page shows it
    about: str  # what they are, in a few words
    data: bytes  # the file, an h5ad


def read_example(path: str | os.PathLike[str]) -> ExampleCells:
    """Read the file of example cells.

    Raises
    ------
    InputError
        It is not there, not an h5ad, or larger than every visit should fetch.
    """
    file = Path(path)
    if file.suffix.lower() != ".h5ad":
        raise InputError(f"The example cells '{path}' have to be an .h5ad file.")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"The example cells '{path}' cannot be read: {error.strerror or error}."
        ) from error
    if len(data) > _LARGEST_EXAMPLE:
        raise InputError(
            f"The example cells '{path}' take {len(data) / 1e6:.0f} MB, which every visit would "
            f"fetch; give a file of at most {_LARGEST_EXAMPLE / 1e6:.0f} MB, of some hundred cells."
        )
    return ExampleCells(file.name, file.name, data)


@dataclass(frozen=True, slots=True)
class PlacedAtlas:
    """An atlas on a site."""

    name: str  # of its file without the ending; in addresses
    folder: str  # that holds its parts, relative to the site
    file: AtlasFile
    example: ExampleCells | None


def place_atlases(
    atlases: Sequence[AtlasFile], examples: Sequence[ExampleCells | None] = ()
) -> tuple[PlacedAtlas, ...]:
    """Say where each of a site's atlases lies.

    Raises
    ------
    InputError
        There is none, or two have files of one name.
    """
    if not atlases:
        raise InputError("No atlas was given; name at least one.")
    given = [*examples, *[None] * (len(atlases) - len(examples))]
    names = [re.sub(r"[^A-Za-z0-9._-]+", "-", atlas.path.stem) for atlas in atlases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"Two atlases are called {twice!r}, so that an address would not tell which is meant; "
            "rename the file of one."
        )
    folders = ["atlas"] if len(names) == 1 else [f"atlases/{name}" for name in names]
    return tuple(map(PlacedAtlas, names, folders, atlases, given))


def place_given(
    atlas: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    example: ExampleCells | Sequence[ExampleCells | None] | None,
) -> tuple[PlacedAtlas, ...]:
    """Open one atlas or several, and say where each lies, with its example cells.

    Raises
    ------
    AtlasError
        No such atlas, or a damaged one.
    InputError
        There is none, or two have files of one name.
    """
    paths = [atlas] if isinstance(atlas, str | os.PathLike) else list(atlas)
    examples = example if isinstance(example, Sequence) else [example]
    return place_atlases([open_atlas_file(path, whole=True) for path in paths], examples)


def list_bytes(placed: Sequence[PlacedAtlas]) -> bytes:
    """Return what the page offers to choose from, as JSON."""
    return json.dumps([_told(one) for one in placed]).encode()


def _told(placed: PlacedAtlas) -> dict[str, Any]:
    manifest = placed.file.manifest
    return {
        "name": placed.name,
        "folder": placed.folder,
        "title": manifest.name,
        "organism": manifest.organism,
        "labels": list(manifest.labels),
        "genes": manifest.n_genes,
        "cells": manifest.provenance.cells,
        "source": manifest.provenance.source,
        "bytes": placed.file.path.stat().st_size,
    }


def built_page() -> Path:
    """Return the folder of the built page.

    Raises
    ------
    MissingDependencyError
        It has not been built, as in a fresh checkout, or the installation is not whole.
    """
    if (PAGE / "index.html").is_file():
        return PAGE
    if (PAGE.parent / "package.json").is_file():
        raise MissingDependencyError(
            f"The page has not been built; at the top of the repository, run once: {_BUILD}"
        )
    raise MissingDependencyError(
        "This installation of cellport lacks the page, which every wheel of it holds: "
        "uninstall cellport and install it again."
    )


def page_files(page: Path) -> list[str]:
    """Relative names of the files of a built page, sorted."""
    return sorted(
        path.relative_to(page).as_posix()
        for path in page.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def _terms(atlas: AtlasFile) -> dict[str, Any]:
    """Terms of labels and groups, which the page gives to cells; nothing where none is known."""
    try:
        found = terms_of(atlas.manifest)
    except InputError:
        return {}
    terms = {node: [term.id, term.name] for node, term in found.terms.items()}
    return {"terms": terms, "term_notes": list(found.notes)}


def manifest_bytes(atlas: AtlasFile, example: ExampleCells | None = None) -> bytes:
    """Return the manifest as it stands in the file, as JSON, with what a site adds.

    That is the ``sha256`` of the whole file, the terms of its labels in the Cell Ontology, and what
    the example cells are where there are some.

    Raises
    ------
    AtlasError
        It holds NaN or infinity, which no browser reads.
    """
    with zipfile.ZipFile(atlas.path) as archive:
        text = json.loads(archive.read(MANIFEST))
    added: dict[str, Any] = {"sha256": atlas.sha256}
    added |= _terms(atlas)
    if example is not None:
        told = {"name": example.name, "about": example.about}
        added["example"] = {**told, "sha256": hashlib.sha256(example.data).hexdigest()}
    try:
        return json.dumps({**text, **added}, allow_nan=False).encode()
    except ValueError:
        raise AtlasError(
            f"{atlas.path.name}: its manifest holds a number that is not finite, which browsers "
            "cannot read; train the atlas again."
        ) from None
