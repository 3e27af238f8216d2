"""The names of genes and cells beside a matrix of text, as programs and people write them.

With a line of names of columns or without, with quotes, with the numbers of rows that R and pandas
put first, between tabs, commas or spaces: how many rows and columns the matrix has tells which.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.decisions import texts
from cellport.runtime.errors import InputError
from cellport.runtime.sources.source import Frame, Text
from cellport.runtime.sources.tables import are_row_numbers
from cellport.runtime.sources.text_file import open_text
from cellport.runtime.sources.trouble import readable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from cellport.runtime.sources.triples import Triple

_HEADERS = {*texts("genes.name_columns"), *texts("files.no_names")}
_KINDS = texts("genes.kind_columns")
_GENES, _CELLS = texts("files.gene_columns"), texts("files.cell_columns")
# lines that tell how a table is laid out
_HEAD = 1000


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table of names is laid out."""

    between: str  # what parts columns
    skipped: int  # lines before the first name
    named: tuple[int, ...]  # columns whose names say what they are
    first: int  # column of names where none says so: behind the numbers of rows
    kinds: tuple[int, ...] = ()  # the column that is called as kinds of features are

    def order(self, width: int) -> list[int]:
        """Return the columns of a row of features: ids, names, kinds, and others that may be."""
        known = (*self.named, *self.kinds)
        others = [column for column in range(self.first, width) if column not in known]
        if not self.kinds:
            return [*self.named, *(others if len(self.named) < len(_GENES) else ())]
        # one name stands for both
        names = 2 * [*self.named, *others]
        return [*names[: len(_GENES)], *self.kinds]


def layout_of(
    head: Sequence[str], n_lines: int, sizes: Collection[int], wanted: Sequence[str]
) -> Layout:
    """Tell the layout of a table from its first lines.

    Parameters
    ----------
    head
        The first lines, none of them empty.
    n_lines
        Lines that there are.
    sizes
        Rows and columns of the matrix: with one line more, the first one names columns.
    wanted
        Names of columns that are looked for.
    """
    between = _between(head[:2])
    rows = [_fields(line, between) for line in head]
    may_have = bool(rows) and n_lines - 1 in sizes
    has = may_have and (n_lines not in sizes or rows[0][0].lower() in _HEADERS)
    header = rows.pop(0) if has else []
    # R names no column of names of rows
    behind = len(rows[0]) - len(header) if rows else 0
    lower = [name.lower() for name in header]
    named = tuple(lower.index(name) + behind for name in wanted if name in lower)
    numbered = bool(rows) and len(rows[0]) > 1 and are_row_numbers([row[0] for row in rows])
    kinds = tuple(lower.index(name) + behind for name in _KINDS if name in lower)[:1]
    return Layout(between, int(has), named, int(numbered), kinds)


def _between(lines: Sequence[str]) -> str:
    if any("\t" in line for line in lines):
        return "\t"
    if lines and "," in lines[0]:
        return ","
    return " " if any('" "' in line for line in lines) else "\t"


def _fields(line: str, between: str) -> list[str]:
    if between == "\t":
        return [field.strip().strip('"') for field in line.split("\t")]
    row = next(csv.reader([line], delimiter=between), [""])
    return [field.strip().strip('"') for field in row]


def read_features(parts: Triple, sizes: Collection[int]) -> list[list[str]]:
    """Read the columns of features: ids first, names second; `sizes` as `layout_of` has them."""
    path = parts.features
    lines = [line for line in _lines(path) if line.strip()]
    how = layout_of(lines[:_HEAD], len(lines), sizes, _GENES)
    rows = [_fields(line, how.between) for line in lines[how.skipped :]]
    with readable(str(path)):
        if how.named or how.kinds:
            return [[row[column] for column in how.order(len(row))] for row in rows]
        rows = [row[how.first :] for row in rows]
        if not all(rows):
            raise InputError("a line has no name")
    if parts.names is None:
        return rows
    names = _lines(parts.names)
    if len(names) != len(rows):
        raise InputError(f"{parts.names} has {len(names)} names of {len(rows)} genes.")
    return [[row[0], name] for row, name in zip(rows, names, strict=True)]


def _lines(path: Path) -> list[str]:
    with readable(str(path)), open_text(path) as file:
        return file.read().decode("utf-8", "replace").splitlines()


def read_barcodes(path: Path, sizes: Collection[int]) -> Frame:
    """Read the barcodes as one run of bytes and where each line begins: a third of the memory."""
    with readable(str(path)), open_text(path) as file:
        text = file.read().replace(b"\r", b"").rstrip(b"\n")
    text += b"\n" if text else b""
    begins = np.flatnonzero(np.frombuffer(b"\n" + text, np.uint8) == ord("\n"))

    def lines(start: int, stop: int) -> list[str]:
        return text[begins[start] : begins[stop]].decode("utf-8", "replace").split("\n")[:-1]

    head = lines(0, min(_HEAD, len(begins) - 1))
    how = layout_of(head, len(begins) - 1, sizes, _CELLS)
    column = how.named[0] if how.named else how.first

    def index(start: int, stop: int) -> Text:
        rows = [line.split(how.between) for line in lines(start + how.skipped, stop + how.skipped)]
        return np.array([row[column].strip().strip('"') for row in rows], object)

    return Frame(str(path), len(begins) - 1 - how.skipped, index)
