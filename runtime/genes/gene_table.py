"""Which symbol belongs to which Ensembl id, of human and mouse."""

from __future__ import annotations

import lzma
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from cellport.runtime.genes.panel import Panel
from cellport.runtime.genes.previous import previous_symbols
from cellport.runtime.genes.rules import without_version

Organism = Literal["human", "mouse"]

_DATA = Path(__file__).parent / "data"
# More ids than this for one symbol, and the symbol names a family (Y_RNA, Metazoa_SRP).
_MOST_IDS = 3


@dataclass(frozen=True, slots=True)
class GeneTable:
    """Symbols and Ensembl ids (without version) of an organism's genes."""

    symbol_of: dict[str, str]  # symbol of each Ensembl id
    # Ensembl id of each symbol: of two or three ids the lowest, which was given first and is most
    # often the main gene; symbols with more ids name a family of genes and are left out
    id_of: dict[str, str]
    only_id_of: dict[str, str]  # of symbols that one id alone has


@cache
def load_gene_table(organism: Organism) -> GeneTable:
    """Load the table that the package carries; ``data/README.md`` says where it is from."""
    lines = lzma.decompress((_DATA / f"{organism}.tsv.xz").read_bytes()).decode().splitlines()
    pairs = [(ensembl, symbol) for ensembl, symbol in (line.split("\t") for line in lines)]
    n_ids = Counter(symbol for _, symbol in pairs)
    # Sorted by id, so that going backwards leaves the lowest.
    id_of = {symbol: ensembl for ensembl, symbol in reversed(pairs) if n_ids[symbol] <= _MOST_IDS}
    only = {symbol: ensembl for symbol, ensembl in id_of.items() if n_ids[symbol] == 1}
    return GeneTable(dict(pairs), id_of, only)


def other_names(panel: Panel, organism: str) -> tuple[str, ...]:
    """Name the genes of a panel that have one name each the other way, where there is no doubt.

    Returns
    -------
    tuple of str
        Of a symbol its Ensembl id (of a human one of other years, too), of an Ensembl id its
        symbol. ``""`` where a symbol has several ids, several genes of the panel would get one
        name, a gene of the panel is called so already, or nothing is known. Nothing at all of
        organisms without a table.
    """
    if organism not in ("human", "mouse"):
        return ()
    table, own = load_gene_table(organism), panel.names.tolist()
    offered = {name: _only_name(name, table) for name in own}
    if organism == "human":
        offered |= _of_other_years([name for name in own if not offered[name]], offered, table)
    shared = Counter(offered.values())
    stated = {without_version(name) for name in own}
    sure = {name for name, other in offered.items() if shared[other] == 1 and other not in stated}
    return tuple(offered[name] if name in sure else "" for name in own)


def _only_name(name: str, table: GeneTable) -> str:
    ensembl = without_version(name)
    symbol = table.symbol_of.get(ensembl, "")
    return table.only_id_of.get(name) or (symbol if table.only_id_of.get(symbol) == ensembl else "")


def _of_other_years(
    names: Iterable[str], offered: dict[str, str], table: GeneTable
) -> dict[str, str]:
    """Ensembl ids of symbols of other years, unless the symbol of today is there too."""
    today, taken = set(table.symbol_of.values()), set(offered.values())
    previous = previous_symbols()
    found = {name: previous[name] for name in names if name in previous and name not in today}
    return {name: ensembl for name, ensembl in found.items() if ensembl not in taken}
