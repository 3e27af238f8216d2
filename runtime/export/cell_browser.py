"""A folder for ``cbBuild`` of the UCSC Cell Browser.

The settings are those of its sample ``cellbrowser.conf`` (https://cellbrowser.readthedocs.io).
Counts are written in blocks of cells, so that memory does not grow with their number.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cellport.runtime.base.files import plain_name
from cellport.runtime.columns import CALL, LABEL, NOVEL
from cellport.runtime.errors import InputError
from cellport.runtime.export.counts import Counts
from cellport.runtime.export.files import Write, gzipped, lines
from cellport.runtime.export.mapped import MappedCells
from cellport.runtime.sources.block import CountBlock
from cellport.runtime.writers.text import guarded

_GZIP_LEVEL = 1
# letters that the numbers of genes, cells and counts have room in
_SIZES = 60
_CONF = """# made by cellport; build with: cbBuild -o SITE
name = {name!r}
shortLabel = {label!r}
exprMatrix = "matrix.mtx.gz"
geneIdType = "raw"
unit = "count"
meta = "meta.tsv"
enumFields = {enums!r}
coords = [{{"file": "map.coords.tsv", "shortLabel": {place!r}}}]
clusterField = {cluster!r}
labelField = {cluster!r}
colors = {colours!r}
"""
_DESC = """title = {title!r}
abstract = {abstract!r}
"""


def cell_browser_files(
    cells: MappedCells, counts: Counts, columns: Sequence[str], folder: Path
) -> Iterator[tuple[Path, Write]]:
    """Yield the settings, table of cells, places, colours and counts.

    Raises
    ------
    InputError
        The cells have no place on a map, or names that repeat.
    """
    if cells.place is None:
        raise InputError(
            f"{cells.title} has no places of cells (obsm['X_cellport_umap']), and the Cell Browser "
            "draws a map: map onto an atlas with one."
        )
    _check_names(cells)
    coloured = {one: f"{plain_name(one)}.colors.tsv" for one in columns if cells.colours(one)}
    for column, name in coloured.items():
        pairs = cells.colours(column).items()
        yield folder / name, lines(_row((group, colour)) for group, colour in pairs)
    yield folder / "cellbrowser.conf", lines([_settings(cells, columns, coloured, folder)])
    yield folder / "desc.conf", lines([_description(cells)])
    yield folder / "meta.tsv", lines(_meta(cells, columns))
    yield folder / "map.coords.tsv", lines(_coordinates(cells))
    yield folder / "barcodes.tsv.gz", gzipped(lines(_names(cells)))
    genes = counts.genes()
    yield folder / "features.tsv.gz", gzipped(lines(_row((one, one)) for one in genes))
    yield folder / "matrix.mtx.gz", _matrix(counts, len(genes))


def _check_names(cells: MappedCells) -> None:
    names = [name for _, some, _ in cells.windows() for name in some.tolist()]
    if len(set(names)) < len(names):
        raise InputError(
            f"Names of cells in {cells.title} repeat, and the Cell Browser tells cells by them. "
            "Give cells names of their own and map again."
        )


def _settings(
    cells: MappedCells, columns: Sequence[str], coloured: dict[str, str], folder: Path
) -> str:
    atlas = str(cells.facts.get("atlas", "an atlas"))
    name = re.sub(r"\W", "_", folder.name, flags=re.ASCII) or "cellport"
    usual = [one for one in (CALL, LABEL) if one in columns] or list(columns)
    return _CONF.format(
        name=name,
        label=f"{folder.name} on {atlas}",
        enums=list(columns),
        place=f"map of {atlas}",
        cluster=usual[0] if usual else NOVEL,
        colours=coloured,
    )


def _description(cells: MappedCells) -> str:
    facts = cells.facts
    atlas, sha = facts.get("atlas", "an atlas"), facts.get("atlas_sha256", "unknown")
    return _DESC.format(
        title=f"Cells mapped on {atlas}",
        abstract=f"{cells.n_cells:,} cells labelled by cellport "
        f"{facts.get('cellport_version', '')} with the atlas {atlas} (SHA-256 {sha}). Places are "
        "those of the atlas's map; distances on it are only a guide.",
    )


def _meta(cells: MappedCells, columns: Sequence[str]) -> Iterator[str]:
    """Yield the table of cells: the groupings, then every other result."""
    others = [
        one for one in cells.obs.columns if one.startswith("cellport_") and one not in columns
    ]
    yield _row(("cellId", *columns, *others))
    numbers = {one for one in others if one not in cells.obs.text_columns}
    for (_, names, read), *groups in zip(
        cells.windows(*others), *(cells.groups(one) for one in columns), strict=True
    ):
        shown = [
            list(map(_short, values.tolist())) if one in numbers else values.tolist()
            for one, values in zip(others, read, strict=True)
        ]
        of_groups = [values.tolist() for _, values in groups]
        for row in zip(names.tolist(), *of_groups, *shown, strict=True):
            yield _row(row)


def _short(value: str) -> str:
    """Three digits of a number; other texts as they are.

    cbBuild drops a column of nearly as many values as there are cells.
    """
    try:
        return f"{float(value):.3g}"
    except ValueError:
        return value


def _coordinates(cells: MappedCells) -> Iterator[str]:
    assert cells.place is not None
    yield _row(("cellId", "x", "y"))
    for rows, names, _ in cells.windows():
        for name, (x, y) in zip(names.tolist(), cells.place[rows].tolist(), strict=True):
            if x == x and y == y:
                yield _row((name, f"{x:.5f}", f"{y:.5f}"))


def _names(cells: MappedCells) -> Iterator[str]:
    for _, names, _ in cells.windows():
        yield from (_row((name,)) for name in names.tolist())


def _row(values: Sequence[str]) -> str:
    """Return a line of a table with tabs, in which no text breaks the line."""
    return "\t".join(guarded(re.sub(r"[\t\r\n]", " ", value)) for value in values)


def _matrix(counts: Counts, n_genes: int) -> Write:
    """Return how to write counts as Matrix Market, a row a gene, with their number put in last.

    Two members of gzip stand one after the other; the first is not compressed, so that its length
    is known before the counts are.
    """

    def write(file: BinaryIO) -> None:
        file.write(_head(n_genes, counts.n_cells, 0))
        stored = 0
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as stream:
            for block in counts.blocks():
                stored += len(block.data)
                stream.write(_entries(block))
        file.seek(0)
        file.write(_head(n_genes, counts.n_cells, stored))

    return write


def _head(n_genes: int, n_cells: int, stored: int) -> bytes:
    sizes = f"{n_genes} {n_cells} {stored}"
    text = f"%%MatrixMarket matrix coordinate integer general\n{sizes:<{_SIZES}}\n"
    return gzip.compress(text.encode(), 0, mtime=0)


def _entries(block: CountBlock) -> bytes:
    cell = np.repeat(np.arange(block.n_cells) + block.start + 1, np.diff(block.indptr))
    rows = zip((block.indices + 1).tolist(), cell.tolist(), block.data.tolist(), strict=True)
    text = "\n".join(map("%d %d %d".__mod__, rows))
    return f"{text}\n".encode() if text else b""
