"""Folders whose matrix lies further down: what Cell Ranger, Space Ranger and STARsolo leave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cellport.runtime.decisions import say, text
from cellport.runtime.errors import InputError
from cellport.runtime.sources.triples import holds_triple, refuse_foreign
from cellport.runtime.sources.zarr_store import is_zarr

# outs/per_sample_outs/SAMPLE/count/FOLDER of Cell Ranger, seen from the folder of its run
_DEPTH = 5
# entries that are looked at: a run has hundreds
_MOST_ENTRIES = 20_000
_NAMED = 5
_CONTAINERS = (".h5ad", ".h5mu", ".loom")
_NO_COUNTS = re.compile(text("files.h5_without_counts"))


def find_in_folder(folder: Path, genome: str | None = None) -> tuple[Path, str]:
    """Return what to open of a folder, and a note where it lies further down.

    Of counts before and after empty droplets were left out, the latter are taken; of one matrix in
    two forms, HDF5; of folders a genome, that of `genome`.

    Raises
    ------
    InputError
        There is no matrix, or several.
    """
    if holds_triple(entry.name for entry in folder.iterdir()):
        return folder, ""
    found = {path.relative_to(folder).as_posix(): path for path in _below(folder)}
    wanted = preferred(list(found))
    if genome is not None and len(wanted) > 1:
        wanted = [path for path in wanted if genome in path.split("/")] or wanted
    if not wanted:
        for inside, names in _folders(folder):
            refuse_foreign(inside, names)
        # says what is missing beside a matrix that is there
        return folder, ""
    if len(wanted) > 1:
        listed = ", ".join(wanted[:_NAMED]) + (", ..." if len(wanted) > _NAMED else "")
        raise InputError(say("files.several_in_folder", folder=folder, names=listed))
    return found[wanted[0]], say("files.found_in_folder", folder=folder, taken=wanted[0])


def _folders(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder and those below it, with the names in each."""
    level, left = [folder], _MOST_ENTRIES
    for _ in range(_DEPTH):
        deeper: list[Path] = []
        for inside in level:
            entries = _entries(inside)[:left]
            left -= len(entries)
            yield inside, [entry.name for entry in entries]
            shown = [entry for entry in entries if not entry.name.startswith(".")]
            deeper += [entry for entry in shown if entry.is_dir() and not is_zarr(entry)]
        level = deeper


def _below(folder: Path) -> Iterator[Path]:
    """Yield the matrices below a folder: files, zarr stores, and folders with matrices of text."""
    for inside, names in _folders(folder):
        if holds_triple(names):
            yield inside
            continue
        for name in names:
            path = inside / name
            if not name.startswith(".") and (
                is_zarr(path) if path.is_dir() else _is_container(name)
            ):
                yield path


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_container(name: str) -> bool:
    lower = name.lower()
    return lower.endswith(_CONTAINERS) or (lower.endswith(".h5") and not _NO_COUNTS.search(lower))


def preferred(found: list[str]) -> list[str]:
    """Leave out what is the same as another, or what another is preferred to."""
    runs = [path for path in found if "outs" in path.split("/")]
    found = runs or found
    # of STARsolo: genes before the junctions between exons
    found = [path for path in found if not re.search(r"(^|/)SJ/", path)] or found
    packed = {re.sub(r"(_h5)?\.h5$", "", path) for path in found if path.endswith(".h5")}
    found = [path for path in found if not packed & {path, path.rpartition("/")[0]}]
    filtered = any(re.search(r"filtered_(feature|gene)_bc_matri", path) for path in found)
    return [
        path
        for path in found
        if not (filtered and re.search(r"raw_(feature|gene)_bc_matri", path))
        and not set(_instead(path)) & set(found)
    ]


def _instead(path: str) -> Iterator[str]:
    """Yield what is preferred to a path where it is there, too."""
    for raw in ("unfiltered", "raw"):
        if raw in path:
            yield path.replace(raw, "filtered")
    # of STARsolo: exons before exons and introns
    gene = re.sub(r"(^|/)GeneFull[^/]*/", r"\1Gene/", path)
    if gene != path:
        yield from (gene, *_instead(gene))
