"""Text tables: told where their genes are, so that the advice turns them the right way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from cellport.runtime.decisions import number, say, text, texts, words
from cellport.runtime.sources.text_file import open_text
from cellport.runtime.sources.trouble import readable

# of names on each side, of the header and of the whole text: what is looked at, quick for any table
_NAMES = 3000
_HEADER_BYTES = 1 << 22
_BYTES = 1 << 25
# columns that are looked at: numbers of rows, names, what is said of genes before their counts
_COLUMNS = 12
_GENE = re.compile(text("files.table_gene"), re.IGNORECASE)
_CELL = re.compile(text("files.table_cell"), re.IGNORECASE)
_BESIDE = texts("files.table_beside")
_MOSTLY = number("genes.mostly_ids")
# no text holds such bytes; a line as long as this is the names of many columns
_CONTROL, _WIDE = re.compile(rb"[\x00-\x08\x0e-\x1f]"), 1000
_NUMBER = re.compile(text("files.table_number"))


@dataclass(frozen=True, slots=True)
class _Table:
    """What the beginning of a table shows."""

    above: list[str]  # names of columns
    columns: list[list[str]]  # the first few, without those names
    separator: str
    skipped: int  # lines before the names of columns

    def names(self, column: int) -> list[str]:
        """Return the values of a column, none where there is no such column."""
        return self.columns[column] if column < len(self.columns) else []

    def is_beside(self, column: int) -> bool:
        """Tell whether a column is mostly of words, or called as what is said of genes."""
        called = self.above[column].lower() if column < len(self.above) else ""
        words = [value for value in self.names(column) if not _NUMBER.fullmatch(value)]
        return called in _BESIDE or 2 * len(words) > len(self.names(column))

    def is_long(self) -> bool:
        """Tell whether each line is one count: a gene and a cell, of which one repeats, and it."""
        if len(self.above) != 3 or len(self.columns) != 3:
            return False
        if [self.is_beside(column) for column in range(3)] != [True, True, False]:
            return False
        first, second = (2 * len(set(names)) < len(names) for names in self.columns[:2])
        # a gene, its chromosome or kind, and one sample is no such table
        cells = _CELL.fullmatch(self.above[1]) or _share(_CELL, self.columns[1]) > _MOSTLY
        return first or (second and bool(cells))


def table_refusal(path: Path) -> str:
    """Return the sentence that refuses a text table, with the command that makes an h5ad of it."""
    table = _seen(path)
    out = Path(path.name.split(".")[0]).with_suffix(".h5ad")
    said = {
        "file": path,
        "separator": "\\t" if table.separator == "\t" else table.separator,
        "skip": f", skiprows={table.skipped}" if table.skipped else "",
        # a table may be called so
        "out": out.with_stem(f"{out.stem}_counts") if out.name == path.name else out,
    }
    if table.is_long():
        genes_first = where_genes_are(table.columns[1], table.columns[0]) != "columns"
        gene, cell = table.above[:2] if genes_first else table.above[1::-1]
        return say("files.long_table", gene=gene, cell=cell, count=table.above[2], **said)
    names = int(are_row_numbers(table.names(0)) and table.is_beside(1))
    genes = where_genes_are(table.above, table.names(names))
    counts = names + 1
    while counts < len(table.columns) - 1 and table.is_beside(counts):
        counts += 1
    turn = f".iloc[:, {counts - 1}:]" if counts > 1 else ""
    turn += ".T" if genes == "rows" else ""
    genes = words("files.table_genes")[genes]
    return say("files.table", genes=genes, names=names, turn=turn, **said)


def are_row_numbers(names: list[str]) -> bool:
    """Tell whether names are the numbers of rows, from 0 or 1."""
    wanted = (list(map(str, range(first, len(names) + first))) for first in (0, 1))
    return len(names) > 1 and names in wanted


def is_table(head: bytes) -> bool:
    """Tell by the beginning of a file whether it is a text of several columns."""
    line, end, _ = head.partition(b"\n")
    several = any(line.count(mark) > 1 for mark in (b"\t", b",", b";"))
    return several and _CONTROL.search(head) is None and (bool(end) or len(head) > _WIDE)


def _seen(path: Path) -> _Table:
    """Read the beginning of a table; lines that begin with # are none of it."""
    rows: list[list[str]] = []
    left, skipped = _BYTES, 0
    with readable(str(path)), open_text(path) as file:
        header = file.readline(_HEADER_BYTES).decode("utf-8", "replace")
        while header.startswith("#") or (skipped and header.strip() == "" != header):
            skipped += 1
            header = file.readline(_HEADER_BYTES).decode("utf-8", "replace")
        separator = next((mark for mark in ("\t", ",", ";") if mark in header), " ")
        while left > 0 and len(rows) < _NAMES and (line := file.readline(left)):
            left -= len(line)
            fields = line.rstrip(b"\r\n").split(separator.encode(), _COLUMNS)[:_COLUMNS]
            rows.append([_bare(field.decode("utf-8", "replace")) for field in fields])
    columns = [list(column) for column in zip_longest(*rows, fillvalue="")]
    above = [_bare(name) for name in header.split(separator)[:_NAMES]]
    return _Table(above, columns, separator, skipped)


def where_genes_are(above: list[str], beside: list[str]) -> str:
    """Say whether genes are ``rows``, ``columns`` or ``unknown``, from the names on both sides."""
    for pattern, side in ((_GENE, ("rows", "columns")), (_CELL, ("columns", "rows"))):
        named = [_share(pattern, names) for names in (beside, above)]
        if named[0] != named[1]:
            return side[0] if named[0] > named[1] else side[1]
    return "unknown"


def _share(pattern: re.Pattern[str], names: list[str]) -> float:
    return sum(1 for name in names if pattern.fullmatch(name)) / max(1, len(names))


def _bare(name: str) -> str:
    return name.strip().strip("\"'")
