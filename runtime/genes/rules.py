"""The rules by which a gene name of a query reaches a panel gene: by equal keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cellport.runtime.decisions import text, whole, words
from cellport.runtime.genes.previous import previous_symbols

Keys = list[str | None]

# a group an organism, in the order of `decisions.json`
GENOMES = "|".join(f"({genomes})" for genomes in words("genes.genomes").values())
GENOME_PREFIX = re.compile(text("genes.genome_prefix").replace("{genomes}", GENOMES), re.IGNORECASE)
_STARTS = tuple(
    "\n" + start.lower() for start in re.findall(r"(?:^|[|(])([A-Za-z][\w :]*)", GENOMES)
)
_PAIRS_BY_CASE = whole("genes.pairs_by_case")
_ID_IN_NAME = re.compile(text("genes.id_in_name"))
_NOT_IN_R_NAMES = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the keys of a query's names stand."""

    first: dict[str | None, int]  # the first row of each key
    again: dict[str | None, list[int]]  # its other rows, of keys that come more than once

    def __contains__(self, key: str) -> bool:
        return key in self.first

    def claims(self, positions: dict[str, int]) -> list[tuple[int, int]]:
        """Return each row whose key has a position, and that position."""
        first = [(self.first[key], at) for key, at in positions.items() if key in self.first]
        again = positions.keys() & self.again.keys()
        return first + [(row, positions[key]) for key in again for row in self.again[key]]


@dataclass(frozen=True, slots=True)
class Rule:
    """How query names reach panel genes: by equal keys.

    A None key is not for this rule. `same_gene`: different names of one key are surely one gene.
    `by_id`: the key is an Ensembl id, which counts more than a symbol in another column.
    `organism`: the one whose atlases it is for, None for all. `exact`: names as they stand.
    """

    name: str
    # symbols and Ensembl ids of genes to their keys: one list, or two for genes with two keys
    panel_keys: Callable[[list[str], list[str]], list[list[str]]]
    query_keys: Callable[[list[str]], Keys]
    same_gene: bool = False
    by_id: bool = False
    organism: str | None = None
    exact: bool = False

    def places(self, names: list[str]) -> Places:
        """Find where the keys of a query's names stand."""
        keys = self.query_keys(names)
        first = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
        first.pop(None, None)
        again: dict[str | None, list[int]] = {}
        if len(first) < len(keys):
            for row, key in enumerate(keys):
                if key is not None and first[key] != row:
                    again.setdefault(key, []).append(row)
        return Places(first, again)


def genome_prefixes(names: Sequence[str]) -> list[re.Match[str] | None]:
    """Find the name of a genome, and what parts it from the gene, at the beginning of names.

    Empty where no name has one.
    """
    joined = "\n" + "\n".join(names).lower()
    if not any(start in joined for start in _STARTS):
        return []
    return [GENOME_PREFIX.match(name) for name in names]


def without_version(name: str) -> str:
    """Return an Ensembl id without its version, and any other name as it is."""
    return name.partition(".")[0] if name.startswith("ENS") else name


def _stable(ids: list[str]) -> list[str]:
    return [without_version(one) for one in ids]


def _folded(names: list[str]) -> list[str]:
    return [name.casefold() for name in names]


def _r_names(symbols: list[str]) -> list[list[str]]:
    names = [_NOT_IN_R_NAMES.sub(".", symbol) for symbol in symbols]
    marked = [f"X{name}" if name and not name[0].isalpha() else "" for name in names]
    return [names, marked]


def _of_other_years(names: list[str]) -> list[str]:
    return [previous_symbols().get(name, "") for name in names]


def _unversioned_keys(names: list[str]) -> Keys:
    return [
        name.partition(".")[0] if name[:3] == "ENS" and "_" not in name else None for name in names
    ]


def _folded_keys(names: list[str]) -> Keys:
    # ACTB and Actb, and so on: here case tells the genes of two organisms apart.
    folded = [name.casefold() for name in names]
    if len(set(names)) - len(set(folded)) >= _PAIRS_BY_CASE:
        return []
    return list(folded)


def _unprefixed_keys(names: list[str]) -> Keys:
    return [
        without_version(name[found.end() :]) if found else None
        for name, found in zip(names, genome_prefixes(names), strict=False)
    ]


def _id_in_name_keys(names: list[str]) -> Keys:
    return [
        found[1]
        if "ENS" in name and not name.isalnum() and (found := _ID_IN_NAME.fullmatch(name))
        else None
        for name in names
    ]


def _r_keys(names: list[str]) -> Keys:
    # make.names leaves no hyphen: where there is one, a dot is a dot.
    if any("-" in name for name in names):
        return []
    known = set(names)
    return [
        None if tail.isdigit() and stem in known else name.replace("_", ".")
        for name in names
        for stem, _, tail in (name.rpartition("."),)
    ]


RULES = (
    Rule("Ensembl id", lambda _, ensembl: [ensembl], list, by_id=True, exact=True),
    Rule(
        "Ensembl id without version",
        lambda _, ensembl: [_stable(ensembl)],
        _unversioned_keys,
        same_gene=True,
        by_id=True,
        exact=True,
    ),
    Rule("symbol", lambda symbols, _: [symbols], list, exact=True),
    Rule(
        "letter case",
        lambda symbols, ensembl: [_folded(symbols), _folded(_stable(ensembl))],
        _folded_keys,
    ),
    Rule(
        "genome prefix",
        lambda symbols, ensembl: [symbols, _stable(ensembl)],
        _unprefixed_keys,
    ),
    Rule(
        "Ensembl id within the name",
        lambda _, ensembl: [_stable(ensembl)],
        _id_in_name_keys,
        same_gene=True,
        by_id=True,
    ),
    Rule("R names", lambda symbols, _: _r_names(symbols), _r_keys),
    Rule(
        "symbol of other years",
        lambda symbols, ensembl: [_stable(ensembl), _of_other_years(symbols)],
        lambda names: [previous_symbols().get(name) for name in names],
        organism="human",
    ),
)
