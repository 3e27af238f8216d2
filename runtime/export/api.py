"""Write a finished mapping as files of other tools."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellport.runtime.base.files import Place, check_folder, check_place
from cellport.runtime.errors import InputError, OutputError
from cellport.runtime.export.cell_browser import cell_browser_files
from cellport.runtime.export.counts import Counts, open_counts
from cellport.runtime.export.excel import excel_file
from cellport.runtime.export.files import Write, write_files
from cellport.runtime.export.mapped import MappedCells, chosen_groupings, open_mapped
from cellport.runtime.export.summary import sample_column, sheets
from cellport.runtime.export.viewers import loupe_files, stranger_notes, xenium_files
from cellport.runtime.sources import open_source
from cellport.runtime.sources.memory import is_anndata


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    files
        Every file, in the order of writing.
    notes
        What to know of them, a sentence each.
    """

    files: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Targets:
    loupe: Place | None
    xenium: Place | None
    cell_browser: Place | None
    excel: Place | None

    def check(self, inputs: Sequence[Any]) -> None:
        """Refuse what could not be written, before any work is done for it."""
        folders = [one for one in (self.loupe, self.xenium, self.cell_browser) if one is not None]
        if not folders and self.excel is None:
            raise InputError(
                "Nothing was asked for: give --loupe, --xenium, --cell-browser or --excel."
            )
        if len({os.path.realpath(one) for one in folders}) < len(folders):
            raise OutputError("Two of the folders are one; give each program its own.")
        for folder in folders:
            check_folder(folder)
        if self.excel is not None:
            if Path(self.excel).suffix.lower() != ".xlsx":
                raise OutputError(f"The Excel file '{self.excel}' must end in .xlsx.")
            check_place(self.excel, [one for one in inputs if isinstance(one, str | os.PathLike)])


def export(
    mapped: Any,
    *,
    loupe: Place | None = None,
    xenium: Place | None = None,
    cell_browser: Place | None = None,
    excel: Place | None = None,
    by: Sequence[str] = (),
    sample: str | None = None,
    counts: Any = (),
    atlas: Place | None = None,
) -> Exported:
    """Write a finished mapping as files of the tools that people use next.

    Parameters
    ----------
    mapped
        An ``.h5ad`` that `map_files` wrote, or an AnnData that results were added to.
    loupe
        Folder for a CSV a grouping, which Loupe Browser imports, and for the map.
    xenium
        Folder for a CSV a grouping, which Xenium Explorer imports.
    cell_browser
        Folder that ``cbBuild`` of the UCSC Cell Browser takes; it needs counts.
    excel
        Workbook, ``.xlsx``, of a summary: a sheet a subject.
    by
        Columns that put cells into groups; calls, labels, labels of groups, clusters and cells
        unlike the atlas where none are named.
    sample
        Column that tells samples apart in the workbook, of `mapped` or of `counts`; the files
        that were mapped where none is named.
    counts
        The files that were mapped, in the same order; not needed where `mapped` holds counts.
    atlas
        The atlas that was mapped on, whose card the workbook then holds.

    Returns
    -------
    Exported
        What was written.

    Raises
    ------
    InputError
        Something is no result of mapping, or there is no such column.
    OutputError
        A place cannot be written to; no file appears then.
    MissingDependencyError
        XlsxWriter is not installed, for `excel`.

    Examples
    --------
    >>> cellport.export("mapped.h5ad", loupe="loupe", excel="cells.xlsx")  # doctest: +SKIP
    """
    wanted = _Targets(loupe, xenium, cell_browser, excel)
    given = [counts] if isinstance(counts, str | os.PathLike) or is_anndata(counts) else [*counts]
    wanted.check([mapped, *given])
    with ExitStack() as stack:
        cells = open_mapped(mapped)
        stack.callback(cells.close)
        read = _counts(mapped, given, cells, needed=cell_browser is not None)
        if read is not None:
            stack.callback(read.close)
        columns = chosen_groupings(cells, by)
        notes = stranger_notes(cells, loupe is not None, xenium is not None)
        files = write_files(_files(wanted, cells, read, columns, sample, atlas))
    return Exported(files, tuple(notes))


def _counts(mapped: Any, given: list[Any], cells: MappedCells, *, needed: bool) -> Counts | None:
    if given:
        return open_counts(given, cells)
    if not needed:
        return None
    try:
        return Counts((open_source(mapped),))
    except InputError as error:
        raise InputError(
            f"The Cell Browser shows genes, and {cells.title} holds no counts: give the files that "
            "were mapped as --counts, or map with --with-counts."
        ) from error


def _files(
    wanted: _Targets,
    cells: MappedCells,
    counts: Counts | None,
    columns: Sequence[str],
    sample: str | None,
    atlas: Place | None,
) -> Iterator[tuple[Path, Write]]:
    # what can be refused, before anything is written
    if wanted.excel is not None:
        of_sample = sample_column(cells, counts, sample)
        yield Path(wanted.excel), excel_file(sheets(cells, of_sample, atlas))
    if wanted.loupe is not None:
        yield from loupe_files(cells, columns, Path(wanted.loupe))
    if wanted.xenium is not None:
        yield from xenium_files(cells, columns, Path(wanted.xenium))
    if wanted.cell_browser is not None:
        assert counts is not None
        yield from cell_browser_files(cells, counts, columns, Path(wanted.cell_browser))
