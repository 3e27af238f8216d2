"""The rules by which a gene name of a query reaches a panel gene: by equal keys."""

from __future__ import annotations

import re
from collections.abc import Callable
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
    panel_keys: Callable[[str, str], list[str]]
    query_keys: Callable[[list[str]], Keys]
    same_gene: bool = False


def _without_version(name: str) -> str:
    return name.partition(".")[0] if name.startswith("ENS") else name


def _r_names(symbol: str) -> list[str]:
    name = _NOT_IN_R_NAMES.sub(".", symbol)
    return [name, f"X{name}"] if name and not name[0].isalpha() else [name]


def _unversioned_keys(names: list[str]) -> Keys:
    return [
        name.partition(".")[0] if name[:3] == "ENS" and "_" not in name else None for name in names
    ]


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
    Rule("symbol", lambda symbol, _: [symbol], list),
    Rule("Ensembl id", lambda _, ensembl: [ensembl], list),
    Rule(
        "Ensembl id without version",
        lambda _, ensembl: [_without_version(ensembl)],
        _unversioned_keys,
        same_gene=True,
    ),
    Rule(
        "letter case",
        lambda symbol, ensembl: [symbol.casefold(), _without_version(ensembl).casefold()],
        lambda names: [name.casefold() for name in names],
    ),
    Rule(
        "genome prefix",
        lambda symbol, ensembl: [symbol, _without_version(ensembl)],
        _unprefixed_keys,
    ),
    Rule(
        "Ensembl id within the name",
        lambda _, ensembl: [_without_version(ensembl)],
        _id_in_name_keys,
    ),
    Rule("R names", lambda symbol, _: _r_names(symbol), _r_keys),
)
