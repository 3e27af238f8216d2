"""Groups of cells for viewers that know the cells already: Loupe Browser and Xenium Explorer.

Loupe Browser imports categories from a CSV with the column ``Barcode`` first and the name of the
category behind it, and projections from one with ``X Coordinate`` and ``Y Coordinate``; Xenium
Explorer imports cell groups from a CSV of ``cell_id``, ``group`` and, if wanted, ``color``
(10x Genomics, support pages of both programs).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cellport.runtime.base.files import plain_name
from cellport.runtime.export.files import Write
from cellport.runtime.export.mapped import MappedCells
from cellport.runtime.writers.text import guarded

# names of cells as Cell Ranger writes them (bases, with the number of the well), and Space Ranger
# (bins of Visium HD, and cells segmented in them)
_BARCODE = re.compile(r"([ACGTN]{14,24}-\d+|s_\d{3}um_\d{5}_\d{5}-\d+|cellid_\d+-\d+)\Z")
# as Xenium Onboard Analysis writes them: eight letters from a to p and the number of the dataset,
# or whole numbers in its first versions
_XENIUM = re.compile(r"([a-p]{8}-\d+|\d+)\Z")
PROJECTION = "cellport_map_projection"


def loupe_files(
    cells: MappedCells, columns: Sequence[str], folder: Path
) -> Iterator[tuple[Path, Write]]:
    """Yield a file a grouping, and the places on the atlas's map as a projection."""
    for column in columns:
        rows = ((name, group) for name, group in _grouped(cells, column))
        yield folder / f"{plain_name(column)}.csv", _table(("Barcode", column), rows)
    if cells.place is not None:
        head = "Barcode", "X Coordinate", "Y Coordinate"
        yield folder / f"{PROJECTION}.csv", _table(head, _places(cells))


def xenium_files(
    cells: MappedCells, columns: Sequence[str], folder: Path
) -> Iterator[tuple[Path, Write]]:
    """Yield a file a grouping, with the colours of reports where groups have them."""
    for column in columns:
        path, colours = folder / f"{plain_name(column)}.csv", cells.colours(column)
        pairs = _grouped(cells, column)
        if colours:
            coloured = ((name, group, colours[group]) for name, group in pairs)
            yield path, _table(("cell_id", "group", "color"), coloured)
        else:
            yield path, _table(("cell_id", "group"), pairs)


def stranger_notes(cells: MappedCells, loupe: bool, xenium: bool) -> list[str]:
    """Say which cells have names that these programs will not know."""
    asked = [
        (_BARCODE, "Loupe Browser", "Cell Ranger") if loupe else None,
        (_XENIUM, "Xenium Explorer", "Xenium Onboard Analysis") if xenium else None,
    ]
    return [note for one in asked if one is not None for note in _strangers(cells, *one)]


def _strangers(
    cells: MappedCells, pattern: re.Pattern[str], program: str, maker: str
) -> Iterator[str]:
    strange, first = 0, ""
    for _, names, _ in cells.windows():
        others = [name for name in names.tolist() if not pattern.match(name)]
        strange, first = strange + len(others), first or next(iter(others), "")
    if strange:
        yield (
            f"{strange:,} of {cells.n_cells:,} cells have no name as {maker} gives them (the first "
            f"is '{first}'). {program} leaves out cells whose names are not those of the run that "
            "is open in it: map the files of the run itself."
        )


def _grouped(cells: MappedCells, column: str) -> Iterator[tuple[str, str]]:
    """Yield each cell that has a group, and the group."""
    for names, groups in cells.groups(column):
        for name, group in zip(names.tolist(), groups.tolist(), strict=True):
            if group:
                yield name, group


def _places(cells: MappedCells) -> Iterator[tuple[str, str, str]]:
    assert cells.place is not None
    for rows, names, _ in cells.windows():
        for name, (x, y) in zip(names.tolist(), cells.place[rows].tolist(), strict=True):
            # cells without counts lie nowhere
            if x == x and y == y:
                yield name, f"{x:.5f}", f"{y:.5f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Write:
    """Return how to write a table with commas, colours and numbers as they are."""

    def write(file: object) -> None:
        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)  # type: ignore[type-var]
        table = csv.writer(text, lineterminator="\n")
        table.writerow([guarded(name) for name in head])
        for row in rows:
            table.writerow([guarded(value) for value in row])
        text.detach()

    return write
