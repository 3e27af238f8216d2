"""Name the genes of a panel both ways: symbol and Ensembl id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.genes.gene_table import GeneTable, load_gene_table
from cellport.runtime.genes.organism import infer_organism
from cellport.runtime.genes.rules import GENOME_PREFIX

_ID = {
    "human": re.compile(r"(ENSG\d{11})(\.\d+)?"),
    "mouse": re.compile(r"(ENSMUSG\d{11})(\.\d+)?"),
}
_ANY_ID = re.compile(r"(ENS[A-Z]{0,5}G\d{11})(\.\d+)?")
_SYMBOL_COLUMNS = (
    "feature_name", "gene_symbols", "gene_symbol", "symbols", "symbol", "gene_names", "gene_name",
    "gene_short_name", "hgnc_symbol", "mgi_symbol",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GeneNames:
    """Both names of some genes, ``""`` where unknown."""

    organism: str  # ``human``, ``mouse`` or ``""``
    # symbol and Ensembl id (without version) of each gene
    symbols: tuple[str, ...]
    ensembl: tuple[str, ...]


def name_genes(
    gene_columns: Mapping[str, NDArray[np.object_]],
    genes: NDArray[np.integer] | None = None,
    organism: str | None = None,
) -> GeneNames:
    """Give genes of a reference both names, so that queries with either kind match.

    What the reference says counts most: an Ensembl id in any column (without its version), the
    index or a column such as ``feature_name`` for the symbol. The table fills the rest, and never
    gives two genes the same name.

    Parameters
    ----------
    gene_columns
        Names as in `CountSource`: ``index`` first, then the text columns of ``var``.
    genes
        Positions of the wanted genes; None for all.
    organism
        ``human`` or ``mouse``; inferred from the names when None.
    """
    if not organism:
        inferred = (infer_organism(names) for names in gene_columns.values())
        organism = next((one for one in inferred if one in _ID), "")
    columns: dict[str, list[str]] = {
        name: [str(value) for value in (values if genes is None else values[genes])]
        for name, values in gene_columns.items()
    }
    ensembl = _stated_ids(columns, _ID.get(organism, _ANY_ID))
    # a number is a name only of a gene that has no other
    symbols = [
        "" if one.isdigit() and stated else one
        for one, stated in zip(_stated_symbols(columns), ensembl, strict=True)
    ]
    if organism in ("human", "mouse"):
        table = load_gene_table(organism)
        ensembl, symbols = (
            _filled(ensembl, [table.id_of.get(symbol, "") for symbol in symbols]),
            _filled(symbols, [_main_symbol(table, one) for one in ensembl]),
        )
    return GeneNames(organism, tuple(symbols), tuple(ensembl))


def _stated_ids(columns: Mapping[str, list[str]], pattern: re.Pattern[str]) -> list[str]:
    return [
        next((found[1] for name in names if (found := pattern.fullmatch(name))), "")
        for names in zip(*columns.values(), strict=True)
    ]


def _stated_symbols(columns: Mapping[str, list[str]]) -> list[str]:
    by_name = {name.lower(): values for name, values in columns.items()}
    trusted = [by_name["index"], *(by_name[name] for name in _SYMBOL_COLUMNS if name in by_name)]
    # a numbered index, as tables of CELLxGENE's Census have it, names no gene where a column does
    trusted.sort(key=_are_numbers)
    return [
        next((GENOME_PREFIX.sub("", name) for name in names if not _ANY_ID.fullmatch(name)), "")
        for names in zip(*trusted, strict=True)
    ]


def _are_numbers(names: list[str]) -> bool:
    return all(name.isdigit() for name in names)


def _main_symbol(table: GeneTable, ensembl: str) -> str:
    symbol = table.symbol_of.get(ensembl, "")
    return symbol if table.id_of.get(symbol) == ensembl else ""


def _filled(stated: list[str], offered: list[str]) -> list[str]:
    """Take what is offered where nothing is stated, unless another gene has that name."""
    taken = Counter(stated) + Counter(
        name for name, own in zip(offered, stated, strict=True) if not own
    )
    return [
        own or (name if taken[name] == 1 else "") for own, name in zip(stated, offered, strict=True)
    ]
