"""Guess the organism from the names of its genes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import number, text, whole, words
from cellport.runtime.genes.rules import GENOME_PREFIX, GENOMES, genome_prefixes

ORGANISMS = words("genes.organisms")
_ENSEMBL_ID = re.compile(text("genes.ensembl_id"))
_GENOME = re.compile(rf"(?:{GENOMES})(?:[_-]premrna)?", re.IGNORECASE)
_OF_GENOME = tuple(words("genes.genomes"))
_NOT_LETTERS, _BEHIND = re.compile(r"[^A-Za-z]+"), re.compile("[_ |]")
_LOOKED_AT, _FEWEST_STEMS = whole("genes.names_looked_at"), whole("genes.fewest_stems")
_MAJORITY = number("genes.majority")
_CAPITALS = {who: re.compile(names) for who, names in words("genes.capitals").items()}
_FEWEST_IN_CAPITALS = whole("genes.fewest_in_capitals")
_SHARE_BY_IDS = number("genes.share_by_ids")
_SHARE_IN_CAPITALS = number("genes.share_in_capitals")


def genome_organism(genome: str) -> str | None:
    """Return the organism of a genome or species (``GRCh38``, ``mm10``), None of other words."""
    found = _GENOME.fullmatch(genome)
    return _of_group(found) if found else None


def _of_group(found: re.Match[str]) -> str:
    return _OF_GENOME[(found.lastindex or 1) - 1]


def name_organism(name: str) -> str | None:
    """Return the organism that a prefix or Ensembl id in the name of a gene says, if one does."""
    return _said(name, GENOME_PREFIX.match(name))


def _said(name: str, prefix: re.Match[str] | None) -> str | None:
    if prefix:
        return _of_group(prefix)
    ensembl = _ENSEMBL_ID.search(name) if "ENS" in name else None
    return ORGANISMS.get(ensembl[1], "another organism") if ensembl else None


def organisms_in(names: Sequence[str]) -> set[str]:
    """Return what `name_organism` finds in any of many names, quickly."""
    said = {ORGANISMS.get(kind, "another organism") for kind in set(_ids_in(names))}
    return said | {_of_group(found) for found in genome_prefixes(names) if found}


def _ids_in(names: Sequence[str]) -> list[str]:
    joined = "\n".join(names)
    return _ENSEMBL_ID.findall(joined) if "ENS" in joined else []


def in_capitals(names: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return whose genes are written in capital letters, and the names that say so.

    Some names are those of one organism alone (``1110004F10RIK``, ``H2-K1``). None where there are
    hardly any.
    """
    sample = _sample(names)
    for organism, pattern in _CAPITALS.items():
        found = [name for name in sample if pattern.fullmatch(name)]
        if len(found) >= max(_FEWEST_IN_CAPITALS, _SHARE_IN_CAPITALS * len(sample)):
            return organism, found
    return None


def named_by_ids(names: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return whose Ensembl ids stand among the names, for genes without a symbol, and these ids.

    None where there are hardly any, or ids of several organisms.
    """
    sample = _sample(names)
    kinds = {name: match[1] for name in sample if (match := _ENSEMBL_ID.match(name))}
    if len(kinds) < max(_FEWEST_STEMS, _SHARE_BY_IDS * len(sample)):
        return None
    found = Counter(ORGANISMS.get(kind, "another organism") for kind in kinds.values())
    winner, n = found.most_common(1)[0]
    return (winner, list(kinds)) if n >= _MAJORITY * found.total() else None


def _sample(names: Sequence[str] | NDArray[np.object_]) -> list[str]:
    return [str(name) for name in names[:: max(1, len(names) // _LOOKED_AT)] if name]


def infer_organism(names: Sequence[str] | NDArray[np.object_]) -> str | None:
    """Guess the organism from gene names, or return None where they do not say.

    Ensembl ids and genome prefixes (``mm10_``) name the organism. Among symbols, human ones are
    upper case (``ACTB``), mouse ones are capitalised (``Actb``, also ``mt-Nd1``); at least
    ten different words are wanted, so that ``Gene_1``, ``Gene_2`` say nothing. Rat symbols look
    like those of mouse.
    """
    sample = _sample(names)
    found: Counter[str] = Counter()
    bare = []
    prefixes = genome_prefixes(sample) or [None] * len(sample)
    for name, prefix in zip(sample, prefixes, strict=True):
        if said := _said(name, prefix):
            found[said] += 1
        else:
            bare.append(name)
    if 2 * found.total() < len(sample):
        found = _letter_case(bare)
    if not found:
        return None
    (winner, n), total = found.most_common(1)[0], found.total()
    return winner if n >= _MAJORITY * total and winner != "unclear" else None


def _letter_case(names: list[str]) -> Counter[str]:
    # what stands behind these is no part of the symbol: A1BG__chr1, A1BG (gene)
    stems = {_NOT_LETTERS.sub("", _BEHIND.split(name, maxsplit=1)[0]) for name in names}
    stems = {stem for stem in stems if len(stem) > 1}
    found: Counter[str] = Counter()
    if len(stems) < _FEWEST_STEMS:
        return found
    for stem in stems:
        if stem.isupper():
            found["human"] += 1
        elif stem[0].isupper() or stem.startswith("mt"):
            found["mouse"] += 1
        else:
            found["unclear"] += 1
    return found
