"""Write results as comma- or tab-separated text, plain or gzipped."""

from __future__ import annotations

import contextlib
import gzip
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.decisions import text
from cellport.runtime.writers.flat import flat_columns

_GZIP_LEVEL = 1
# what a spreadsheet would take for a formula
FORMULA = re.compile(text("values.formula"))


def guarded(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if FORMULA.match(text) else text


class TextSink:
    """A text table being filled: a header line, then a line a cell.

    A missing value is an empty field, and before a text that a spreadsheet would take for a formula
    stands an apostrophe. Numbers are written such that reading them as float32
    gives them back exactly. ``uns`` has no place in a table and is left out.
    """

    def __init__(self, path: Path, schema: Schema, form: str) -> None:
        self._schema = schema
        self._separator = "\t" if form.startswith(".tsv") else ","
        self._categories = {
            column.name: np.array([*self._quoted(column.categories), ""], object)
            for column in schema.columns
            if column.kind == "category"
        }
        self._file = path.open("xb")
        self._stream: Any = self._file
        if form.endswith(".gz"):
            # No time stamp: the same results give the same file.
            self._stream = gzip.GzipFile("", "wb", _GZIP_LEVEL, self._file, mtime=0)
        self._line(self._separator.join(self._quoted(flat_columns(schema))))

    def write(self, block: MappedBlock) -> None:
        """Write a line for each cell of the block."""
        if not block.n_cells:
            return
        columns = [self._quoted(block.cell_names.tolist())]
        columns += [self._column(column, block.obs[column.name]) for column in self._schema.columns]
        columns += [
            self._rows(block.obsm[name]) for name, width in self._schema.obsm.items() if width
        ]
        self._line("\n".join(map(self._separator.join, zip(*columns, strict=True))))

    def finish(self, uns: Mapping[str, Any]) -> None:
        """Close the file."""
        self._stream.close()
        self._file.close()

    def discard(self) -> None:
        """Close the file whatever its state."""
        for stream in (self._stream, self._file):
            with contextlib.suppress(OSError, ValueError):
                stream.close()

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n".encode())

    def _column(self, column: Column, values: NDArray[Any]) -> list[str]:
        fields: list[str]
        if column.kind == "text":
            return self._quoted(values.tolist())
        if column.kind == "category":
            fields = self._categories[column.name][values].tolist()
        else:
            fields = np.where(np.isnan(values), "", values.astype(str)).tolist()
        return fields

    def _rows(self, values: NDArray[np.float32]) -> list[str]:
        # Nine digits name a float32 exactly, at half the time of the shortest such number.
        line = self._separator.join(["%.9g"] * values.shape[1])
        return [line % tuple(row) for row in values.tolist()]

    def _quoted(self, values: Sequence[str]) -> list[str]:
        def needs_quotes(text: str) -> bool:
            # a search by a pattern takes ten times as long
            return any(mark in text for mark in (self._separator, '"', "\n", "\r"))

        values = [guarded(value) for value in values]
        if not needs_quotes("".join(values)):
            return values
        return ['"' + v.replace('"', '""') + '"' if needs_quotes(v) else v for v in values]
