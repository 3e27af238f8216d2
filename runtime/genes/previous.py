"""Symbols that genes had in other years."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_TABLE = Path(__file__).parent / "data" / "human_previous_symbols.tsv"


@cache
def previous_symbols() -> dict[str, str]:
    """Return the Ensembl id of each human symbol that was changed, before and after.

    Only symbols that mean one gene; ``data/README.md`` says where they are from.
    """
    genes = (line.split("\t") for line in _TABLE.read_text().splitlines())
    return {symbol: ensembl for ensembl, *symbols in genes for symbol in symbols}
