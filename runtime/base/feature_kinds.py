"""What a column of kinds says of features: which are no genes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cellport.runtime.decisions import number, text

_GENE, _OTHER = re.compile(text("genes.gene_kind")), re.compile(text("genes.other_kind"))
_MOSTLY = number("genes.mostly_of_a_kind")


@dataclass(frozen=True, slots=True)
class FeatureKinds:
    """The kinds of a column, as they are written there."""

    genes: frozenset[str]  # kinds that are said to be genes
    others: frozenset[str]  # kinds that are none; the empty one among them where it is none
    known: bool  # whether all but the empty one are known words


def plain(word: str) -> str:
    """Return a word in small letters, with one space for whatever stands between its parts."""
    return re.sub("[^a-z0-9]+", " ", word.lower()).strip()


def feature_kinds(values: Iterable[str]) -> FeatureKinds:
    """Tell the kinds that are no genes.

    Where a column names genes, these are; where it names other kinds alone, all but these; where
    it names nothing that is known (chromosomes, biotypes, nothing at all), it says nothing. Few
    rows of no kind beside genes are none, either.
    """
    counts = Counter(values)
    words = {value: plain(value) for value in counts}
    genes = frozenset(value for value, word in words.items() if _GENE.fullmatch(word))
    others = {value for value, word in words.items() if _OTHER.fullmatch(word)}
    blank = {value for value, word in words.items() if not word}
    known = len(genes) + len(others) + len(blank) == len(counts)
    if genes:
        others = counts.keys() - genes - blank
        if sum(counts[value] for value in blank) < _MOSTLY * counts.total():
            others |= blank
    return FeatureKinds(genes, frozenset(others), known)
