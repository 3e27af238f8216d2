"""Antibodies that are called as their genes are, where no column says which are which."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from cellport.runtime.decisions import number, say, text, whole
from cellport.runtime.errors import InputError

_NAME = text("genes.surface_name")
_SURFACE = re.compile(f"({_NAME})(?:[-.][0-9]+)?", re.IGNORECASE)
_MADE_UNIQUE = re.compile(text("genes.made_unique"))
_FEWEST_TWICE, _OF_REPEATS = whole("genes.fewest_twice"), number("genes.surface_of_repeats")
_DENSE, _DENSER = number("genes.dense_block"), number("genes.denser_block")
_LARGEST = number("genes.largest_block")
_NAMED = 3

Pairs = list[tuple[int, int]]


def antibody_rows(names: Sequence[str], with_id: Sequence[bool] | None, source: str) -> list[int]:
    """Return the rows of antibodies, where surface proteins are named twice (``CD4``, ``CD4-1``).

    They lack an Ensembl id that their genes have, or they are a block at either end: there,
    names come twice much more densely than at the other.

    Parameters
    ----------
    with_id
        Whether an Ensembl id is stated of each row; None where none is of any.

    Raises
    ------
    InputError
        Names come twice as those of antibodies do, and nothing tells which are which.
    """
    pairs = _named_twice(names)
    if with_id is not None:
        apart = [pair for pair in pairs if with_id[pair[0]] != with_id[pair[1]]]
        return sorted(first if with_id[last] else last for first, last in apart)
    if len(pairs) < _FEWEST_TWICE or len(pairs) < _OF_REPEATS * _repeats(names):
        return []
    n = len(names)
    end, dense_end = _block(pairs, n)
    start, dense_start = _block([(n - 1 - last, n - 1 - first) for first, last in pairs], n)
    if end < n and dense_end >= _DENSER * dense_start:
        return list(range(end, n))
    if start < n and dense_start >= _DENSER * dense_end:
        return list(range(n - start))
    examples = ", ".join(f"'{names[first]}'" for first, _ in pairs[:_NAMED])
    raise InputError(say("genes.twice", source=source, names=len(pairs), examples=examples))


def _named_twice(names: Sequence[str]) -> Pairs:
    """Return the first and the last row of each surface protein that is named more than once."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        if name[:2] in ("CD", "Cd", "cd") and (found := _SURFACE.fullmatch(name)):
            rows[found[1]].append(row)
    return [(same[0], same[-1]) for same in rows.values() if len(same) > 1]


def _repeats(names: Sequence[str]) -> int:
    """Count the names that repeat another, as they are or made unique."""
    known = set(names)
    unique = (_MADE_UNIQUE.fullmatch(name) for name in known)
    filled = sum(1 for name in names if name)
    return filled - len(known - {""}) + sum(1 for one in unique if one and one[1] in known)


def _block(pairs: Pairs, n: int) -> tuple[int, float]:
    """Return the row from which all second ones of pairs stand, and how densely.

    `n` where the first ones are not all before it, or it is too large for antibodies.
    """
    begins = min(last for _, last in pairs)
    density = len(pairs) / (n - begins)
    apart = max(first for first, _ in pairs) < begins
    small = n - begins <= _LARGEST * n
    return (begins, density) if apart and small and density >= _DENSE else (n, 0.0)
