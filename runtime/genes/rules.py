"""The rules by which a gene name of a query reaches a panel gene: by equal keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cellport.runtime.decisions import text

Keys = list[str | None]

GENOME_PREFIX = re.compile(text("genes.genome_prefix"))
_ID_IN_NAME = re.compile(text("genes.id_in_name"))
_NOT_IN_R_NAMES = re.compile(r"[^A-Za-z0-9]")
_PREFIX_STARTS = {"GR", "hg", "mm"}


@dataclass(frozen=True, slots=True)
class Rule:
    """How query names reach panel genes: by equal keys.

    A None key is not for this rule. `same_gene`: different names of one key are surely one gene.
    """

    name: str
    panel_keys: Callable[[str, str], Iterator[str]]
    query_keys: Callable[[list[str]], Keys]
    same_gene: bool = False


def _symbol(symbol: str, ensembl: str) -> Iterator[str]:
    yield symbol


def _id(symbol: str, ensembl: str) -> Iterator[str]:
    yield ensembl


def _bare_id(symbol: str, ensembl: str) -> Iterator[str]:
    yield _without_version(ensembl)


def _symbol_and_bare_id(symbol: str, ensembl: str) -> Iterator[str]:
    yield symbol
    yield _without_version(ensembl)


def _folded(symbol: str, ensembl: str) -> Iterator[str]:
    yield symbol.casefold()
    yield _without_version(ensembl).casefold()


def _r_symbol(symbol: str, ensembl: str) -> Iterator[str]:
    name = _NOT_IN_R_NAMES.sub(".", symbol)
    yield name
    if name and not name[0].isalpha():
        yield f"X{name}"


def _without_version(name: str) -> str:
    return name.partition(".")[0] if name.startswith("ENS") else name


def _as_is(names: list[str]) -> Keys:
    return list(names)


def _unversioned_keys(names: list[str]) -> Keys:
    return [
        name.partition(".")[0] if name[:3] == "ENS" and "_" not in name else None for name in names
    ]


def _folded_keys(names: list[str]) -> Keys:
    return [name.casefold() for name in names]


def _unprefixed_keys(names: list[str]) -> Keys:
    return [
        _without_version(name[found.end() :])
        if name[:2] in _PREFIX_STARTS and (found := GENOME_PREFIX.match(name))
        else None
        for name in names
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
    Rule("symbol", _symbol, _as_is),
    Rule("Ensembl id", _id, _as_is),
    Rule("Ensembl id without version", _bare_id, _unversioned_keys, same_gene=True),
    Rule("letter case", _folded, _folded_keys),
    Rule("genome prefix", _symbol_and_bare_id, _unprefixed_keys),
    Rule("Ensembl id within the name", _bare_id, _id_in_name_keys),
    Rule("R names", _r_symbol, _r_keys),
)
