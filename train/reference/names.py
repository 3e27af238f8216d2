"""Names of labels and batches as people wrote them, given one spelling each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.names import joinable, listed
from cellport.runtime.decisions import text as decided

JOINED_BY = decided("values.joined_by")
# obs values that mean "nobody labelled this cell"
UNLABELLED = frozenset(
    {"", "nan", "na", "n/a", "<na>", "none", "null", "?", "-", "unknown", "unlabelled"}
    | {"unlabeled", "unassigned", "not assigned", "unannotated", "not annotated", "unclassified"}
    | {"unidentified", "undefined", "undetermined", "unspecified", "not available", "missing"}
)
# obs values that mean "nobody said which batch"; one may well be called unknown
NO_BATCH = frozenset({"", "nan", "na", "n/a", "<na>", "none", "null"})
# name of the batch that cells without one make
UNNAMED = "no batch"
# a whole number as a column has it that was made one of fractions by an empty cell
_WHOLE = re.compile(r"-?\d+\.0")
# names of one kind that a note holds
_MOST_NAMED = 5


def tidied_labels(text: NDArray[np.object_], column: str) -> tuple[NDArray[np.object_], list[str]]:
    """Give each label, object [cells] of str, one spelling; '' where nobody labelled a cell.

    Spaces around and within are made one, and ``;``, which joins labels in results, a comma.
    What was changed, and what differs by letter case only, is said in notes.
    """
    names, notes = _spelled(text, "labels", column)
    missing = _told(names, UNLABELLED)
    none = np.isin(names, [*missing, ""])
    if none.any():
        empty = ["empty"] if (names == "").any() else []
        words = listed([*empty, *map(repr, sorted(missing))], _MOST_NAMED)
        notes.append(
            f"{int(none.sum()):,} of {len(names):,} cells count as unlabelled in '{column}': "
            f"{words}."
        )
    names[none] = ""
    return names, notes


def tidied_batches(text: NDArray[np.object_], column: str) -> tuple[NDArray[np.object_], list[str]]:
    """Give each batch, object [cells] of str, one spelling; cells without one make one."""
    names, notes = _spelled(text, "batches", column)
    missing = np.isin(names, [*_told(names, NO_BATCH), ""])
    if missing.any():
        names[missing] = UNNAMED
        notes.append(
            f"{int(missing.sum()):,} cells have no batch in '{column}'; they are taken for a batch "
            f"of their own, '{UNNAMED}'."
        )
    return names, notes


def without_point(text: NDArray[np.object_]) -> NDArray[np.object_]:
    """Write whole numbers, object [cells] of str, as such, where all that is said is one.

    Numbers of clusters or donors get a fraction, ``1.0``, where a cell has none; they are those
    that another file calls ``1``.
    """
    whole = {one: one.removesuffix(".0") for one in set(text) if _WHOLE.fullmatch(one)}
    if not whole or not set(text) <= whole.keys() | {""}:
        return text
    return np.asarray([whole.get(one, "") for one in text], object)


def _told(names: NDArray[np.object_], words: frozenset[str]) -> set[str]:
    return {name for name in set(names) if name and name.lower() in words}


def _spelled(
    text: NDArray[np.object_], kind: str, column: str
) -> tuple[NDArray[np.object_], list[str]]:
    new = {old: joinable(" ".join(old.split())) for old in sorted(set(text))}
    notes = []
    spaced = [old for old in new if old != " ".join(old.split()) and new[old]]
    if spaced:
        notes.append(
            f"Spaces in {kind} of '{column}' were tidied, and those that differ by nothing else "
            f"joined: {_listed(spaced)}."
        )
    parted = [old for old in new if JOINED_BY in old]
    if parted:
        notes.append(
            f"'{JOINED_BY}' joins names in results and became ',' in {kind} of '{column}': "
            f"{_listed(parted)}."
        )
    notes += _differing_by_case(set(new.values()), kind, column)
    return np.asarray([new[one] for one in text], object), notes


def _differing_by_case(names: set[str], kind: str, column: str) -> list[str]:
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        if name.lower() not in UNLABELLED:
            alike[name.casefold()].append(name)
    several = [" and ".join(map(repr, group)) for group in alike.values() if len(group) > 1]
    if not several:
        return []
    return [
        f"Some {kind} of '{column}' differ by letter case only and are kept apart: "
        f"{'; '.join(several[:_MOST_NAMED])}. Spell them alike if they are the same."
    ]


def _listed(names: Sequence[str]) -> str:
    return listed(list(map(repr, names)), _MOST_NAMED)
