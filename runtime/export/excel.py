"""Sheets as one Excel file, in which every text stays a text."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from typing import BinaryIO

from cellport.runtime.base.extras import require
from cellport.runtime.export.files import Write
from cellport.runtime.export.summary import Sheet

# Excel's own limit of a cell
_LONGEST = 32_767
_WIDEST = 60
# the same sheets give the same file
_MADE = datetime.datetime(2000, 1, 1)


def excel_file(sheets: Sequence[Sheet]) -> Write:
    """Return how to write the file.

    Raises
    ------
    MissingDependencyError
        XlsxWriter is not installed.
    """
    require("excel", "Writing .xlsx")

    def write(file: BinaryIO) -> None:
        import xlsxwriter

        made = io.BytesIO()
        book = xlsxwriter.Workbook(made, {"in_memory": True})
        book.set_properties({"created": _MADE})
        looks = {
            "bold": book.add_format({"bold": True, "bottom": 1}),
            "share": book.add_format({"num_format": "0.0%"}),
            "count": book.add_format({"num_format": "#,##0"}),
            "quiet": book.add_format({"italic": True}),
            "": None,
        }
        for sheet in sheets:
            _write_sheet(book.add_worksheet(sheet.title), sheet, looks)
        book.close()
        file.write(made.getvalue())

    return write


def _write_sheet(page: object, sheet: Sheet, looks: dict[str, object]) -> None:
    begin = 2 if sheet.note else 0
    if sheet.note:
        page.write_string(0, 0, sheet.note, looks["quiet"])  # type: ignore[attr-defined]
    for row, values in enumerate([sheet.head, *sheet.rows], begin):
        for column, value in enumerate(values):
            if isinstance(value, str):
                look = looks["bold" if row == begin else ""]
                page.write_string(row, column, value[:_LONGEST], look)  # type: ignore[attr-defined]
            else:
                look = looks["share" if sheet.shares else "count" if isinstance(value, int) else ""]
                page.write_number(row, column, value, look)  # type: ignore[attr-defined]
    for column, name in enumerate(sheet.head):
        texts = [str(row[column]) for row in sheet.rows if isinstance(row[column], str)]
        width = min(max(map(len, [name, "0" * 8, *texts])) + 2, _WIDEST)
        page.set_column(column, column, width)  # type: ignore[attr-defined]
    page.freeze_panes(begin + 1, 1)  # type: ignore[attr-defined]
