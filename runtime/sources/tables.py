"""Text tables: told where their genes are, so that the advice turns them the right way."""

from __future__ import annotations

import re
from pathlib import Path

from cellport.runtime.decisions import say, text, words
from cellport.runtime.sources.text_file import open_text
from cellport.runtime.sources.trouble import readable

# of names on each side, of the header and of the whole text: what is looked at, quick for any table
_NAMES = 3000
_HEADER_BYTES = 1 << 22
_BYTES = 1 << 25
_GENE = re.compile(text("files.table_gene"), re.IGNORECASE)
_CELL = re.compile(text("files.table_cell"), re.IGNORECASE)


def table_refusal(path: Path) -> str:
    """Return the sentence that refuses a text table, with the command that makes an h5ad of it."""
    above, beside, second, separator = _names(path)
    numbered = are_row_numbers(beside)
    genes = where_genes_are(above, second if numbered else beside)
    out = Path(path.name.split(".")[0]).with_suffix(".h5ad")
    return say(
        "files.table",
        file=path,
        genes=words("files.table_genes")[genes],
        separator="\\t" if separator == "\t" else separator,
        # the rows' numbers are the first column that is left then
        names="1" if numbered else "0",
        turn=(".iloc[:, 1:]" if numbered else "") + (".T" if genes == "rows" else ""),
        # a table may be called so
        out=out.with_stem(f"{out.stem}_counts") if out.name == path.name else out,
    )


def are_row_numbers(names: list[str]) -> bool:
    """Tell whether names are the numbers of rows, from 0 or 1."""
    wanted = (list(map(str, range(first, len(names) + first))) for first in (0, 1))
    return len(names) > 1 and names in wanted


def is_table(head: bytes) -> bool:
    """Tell by the beginning of a file whether it is a text of several columns."""
    line, end, _ = head.partition(b"\n")
    several = any(line.count(mark) > 1 for mark in (b"\t", b",", b";"))
    return several and b"\0" not in head and (bool(end) or len(head) > len(line))


def _names(path: Path) -> tuple[list[str], list[str], list[str], str]:
    """Read the names above and beside a table, those after these, and what parts columns."""
    beside: list[str] = []
    second: list[str] = []
    left = _BYTES
    with readable(str(path)), open_text(path) as file:
        header = file.readline(_HEADER_BYTES).decode("utf-8", "replace")
        separator = next((mark for mark in ("\t", ",", ";") if mark in header), " ")
        while left > 0 and len(beside) < _NAMES and (line := file.readline(left)):
            left -= len(line)
            first, *more = line.split(separator.encode(), 2)[:2]
            beside.append(_bare(first.decode("utf-8", "replace")))
            second += [_bare(name.decode("utf-8", "replace")) for name in more]
    return [_bare(name) for name in header.split(separator)[:_NAMES]], beside, second, separator


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
