"""Matrices of text and the names beside them, as the programs that count reads call them.

Which program calls what how stands in ``decisions.json`` (``files.layouts``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellport.runtime.decisions import rows, say, text, texts, words
from cellport.runtime.errors import InputError

_LAYOUTS = rows("files.layouts")
_FOREIGN = rows("files.foreign_folders")
_UNASKED = re.compile(text("files.unasked_matrices"))
_NAMED = 5
_ALONE = [*texts("files.table_endings"), *words("files.convert"), *words("files.archive_endings")]
_MAY_HOLD = re.compile(rf"\.({'|'.join(_ALONE)})(\.gz)?$")


@dataclass(frozen=True, slots=True)
class Triple:
    """A matrix, and the files that name its genes and cells."""

    matrix: Path
    features: Path
    names: Path | None  # symbols of the genes, where they lie apart from their ids
    barcodes: Path
    cells_first: bool  # cells by genes, as this program writes


def find_triple(path: Path) -> Triple:
    """Find the parts of a matrix from their folder or from the matrix itself.

    Raises
    ------
    InputError
        There are several matrices, or the names of genes or cells are missing.
    """
    folder = path if path.is_dir() else path.parent
    there = {entry.name for entry in folder.iterdir()}
    found = list(_matrices(_asked(there) if path.is_dir() else [path.name]))
    refuse_foreign(folder, [path.name])
    if not found:
        raise InputError(say("files.no_matrix", folder=folder) + _perhaps(there))
    # count_matrix.mtx is of one program or another, which the files beside it tell
    parts = ("features", "barcodes")
    named = [[bool(_first(one[0], part, one[2], there)) for part in parts] for one in found]
    most = max(map(sum, named))
    whole = [one for one, these in zip(found, named, strict=True) if sum(these) == most]
    # unpacked and packed, one matrix is one
    several = sorted({name.removesuffix(".gz"): name for _, name, _ in whole}.values())
    if len(several) > 1:
        names = ", ".join(several[:_NAMED])
        raise InputError(f"{path} holds several matrices ({names}); give one of them.")
    layout, name, prefix = whole[0]

    def beside(part: str) -> Path:
        first = _first(layout, part, prefix, there)
        if first is None:
            wanted = ", ".join(f"{prefix}{one}" for one in layout[part][:_NAMED])
            raise InputError(
                f"{folder / name} needs one of {wanted}, packed or not, beside it; there is none."
            )
        return folder / first

    symbols = _first(layout, "names", prefix, there)
    return Triple(
        matrix=folder / name,
        features=beside("features"),
        names=None if symbols is None else folder / symbols,
        barcodes=beside("barcodes"),
        cells_first=layout["cells_first"],
    )


def _perhaps(names: Iterable[str]) -> str:
    """Name files in a folder without a matrix that may hold counts of themselves."""
    found = [name for name in sorted(names) if _MAY_HOLD.search(name.lower())]
    if not found:
        return ""
    listed = ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
    return say("files.perhaps_in_folder", names=listed)


def holds_triple(names: Iterable[str]) -> bool:
    """Tell from the names in a folder whether a matrix with names of genes and cells is there."""
    there = set(names)
    return any(
        all(_first(layout, part, prefix, there) for part in ("features", "barcodes"))
        for layout, _, prefix in _matrices(_asked(there))
    )


def _asked(names: Iterable[str]) -> list[str]:
    """Leave out matrices that are taken only where they are named, or are alone."""
    every = list(names)
    asked = [name for name in every if not _UNASKED.fullmatch(name)]
    return asked if any(name.removesuffix(".gz").endswith(".mtx") for name in asked) else every


def refuse_foreign(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder of a program whose counts have to be converted first."""
    for row in _FOREIGN:
        if any(re.fullmatch(row["marker"], name) for name in names):
            raise InputError(say("files.foreign", folder=folder, what=row["what"]))


def _matrices(names: Iterable[str]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield the layout of each matrix among some names, its name and what stands before it."""
    for layout in _LAYOUTS:
        for name in sorted(names):
            found = re.fullmatch(layout["matrix"] + r"(?:\.gz)?", name)
            if found:
                yield layout, name, (found[1] or "") if found.re.groups else ""


def _first(layout: dict[str, Any], part: str, prefix: str, there: set[str]) -> str | None:
    possible = [f"{prefix}{name}{packed}" for name in layout[part] for packed in ("", ".gz")]
    exact = next((name for name in possible if name in there), None)
    return exact or (_by_ending(layout[part], there) if "any_prefix" in layout else None)


def _by_ending(wanted: Iterable[str], there: set[str]) -> str | None:
    """Return the only file whose name ends as one is called, beside the only matrix."""
    packed = {name.lower().removesuffix(".gz"): name for name in there}
    if sum(name.endswith(".mtx") for name in packed) > 1:
        return None
    for ending in wanted:
        found = [name for name in packed if name.endswith(ending)]
        if found:
            return packed[found[0]] if len(found) == 1 else None
    return None
