"""Guess the organism from the names of its genes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import number, text, texts, whole, words
from cellport.runtime.genes.rules import GENOME_PREFIX

ORGANISMS = words("genes.organisms")
_HUMAN_GENOMES = texts("genes.human_genomes")
_ENSEMBL_ID = re.compile(text("genes.ensembl_id"))
_NOT_LETTERS = re.compile(r"[^A-Za-z]+")
_LOOKED_AT, _FEWEST_STEMS = whole("genes.names_looked_at"), whole("genes.fewest_stems")
_MAJORITY = number("genes.majority")


def infer_organism(names: Sequence[str] | NDArray[np.object_]) -> str | None:
    """Guess the organism from gene names, or return None where they do not say.

    Ensembl ids and genome prefixes (``mm10_``) name the organism. Among symbols, human ones are
    upper case (``ACTB``), mouse ones are capitalised (``Actb``, also ``mt-Nd1``); at least
    ten different words are wanted, so that ``Gene_1``, ``Gene_2`` say nothing. Rat symbols look
    like those of mouse.
    """
    sample = [str(name) for name in names[:: max(1, len(names) // _LOOKED_AT)] if name]
    found: Counter[str] = Counter()
    bare = []
    for name in sample:
        prefix = GENOME_PREFIX.match(name)
        ensembl = _ENSEMBL_ID.search(name)
        if prefix:
            found["human" if prefix[1] in _HUMAN_GENOMES else "mouse"] += 1
        elif ensembl:
            found[ORGANISMS.get(ensembl[1], "another organism")] += 1
        else:
            bare.append(name)
    if 2 * found.total() < len(sample):
        found = _letter_case(bare)
    if not found:
        return None
    (winner, n), total = found.most_common(1)[0], found.total()
    return winner if n >= _MAJORITY * total and winner != "unclear" else None


def _letter_case(names: list[str]) -> Counter[str]:
    stems = {_NOT_LETTERS.sub("", name) for name in names}
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
