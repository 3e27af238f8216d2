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
    above, beside, separator = _names(path)
    genes = where_genes_are(above, beside)
    return say(
        "files.table",
        file=path,
        genes=words("files.table_genes")[genes],
        separator="\\t" if separator == "\t" else separator,
        turn=".T" if genes == "rows" else "",
        out=Path(path.name.split(".")[0]).with_suffix(".h5ad"),
    )


def _names(path: Path) -> tuple[list[str], list[str], str]:
    """Read the names above and beside a table, and what stands between its columns."""
    beside: list[str] = []
    left = _BYTES
    with readable(str(path)), open_text(path) as file:
        header = file.readline(_HEADER_BYTES).decode("utf-8", "replace")
        separator = next((mark for mark in ("\t", ",", ";") if mark in header), " ")
        while left > 0 and len(beside) < _NAMES and (line := file.readline(left)):
            left -= len(line)
            beside.append(_bare(line.split(separator.encode(), 1)[0].decode("utf-8", "replace")))
    return [_bare(name) for name in header.split(separator)[:_NAMES]], beside, separator


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
