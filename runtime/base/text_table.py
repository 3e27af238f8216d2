"""Small tables as text, made whole: which files they may be, and their lines."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cellport.runtime.base.files import check_place
from cellport.runtime.errors import OutputError


def check_table(
    path: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]] = ()
) -> None:
    """Refuse a table of genes that could not be written, before any work is done for it.

    Raises
    ------
    OutputError
        Another ending than ``.csv`` or ``.tsv``, or the place cannot be written to, or is an input.
    """
    if Path(path).suffix.lower() not in (".csv", ".tsv"):
        raise OutputError(f"The table of genes '{path}' must end in .csv or .tsv.")
    check_place(path, inputs)


def table_bytes(
    head: Iterable[Any], rows: Iterable[Iterable[Any]], path: str | os.PathLike[str] = ".csv"
) -> bytes:
    """Return a header and lines; what parts the columns goes by the ending of `path`."""
    made = io.StringIO()
    separator = "\t" if str(path).lower().endswith(".tsv") else ","
    table = csv.writer(made, delimiter=separator, lineterminator="\n")
    table.writerow(head)
    table.writerows(rows)
    return made.getvalue().encode()


def five_digits(value: float) -> str:
    """Return a number to five digits; what is not known is left empty."""
    return "" if math.isnan(value) else f"{value:.5g}"
