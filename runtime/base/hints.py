"""Names that come close to one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST = 3


def near_names(wanted: str, names: Iterable[str]) -> list[str]:
    """Return up to three names like the one wanted, the nearest first, whatever the letter case."""
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    return [folded[like] for like in difflib.get_close_matches(wanted.casefold(), folded, _MOST)]


def hint(wanted: str, names: Iterable[str], shown: int = 8) -> str:
    """Say which names come close to the one wanted, or else which there are.

    Parameters
    ----------
    wanted
        Name that is not there.
    names
        Those that are.
    shown
        Most of them to list where none is near.

    Returns
    -------
    str
        A sentence.
    """
    there = [str(name) for name in names]
    near = near_names(wanted, there)
    if near:
        return f"Did you mean {_listed(near, ' or ')}?"
    if not there:
        return "There is none at all."
    rest = f" and {len(there) - shown:,} more" if len(there) > shown else ""
    return f"There are: {_listed(there[:shown], ', ')}{rest}."


def _listed(names: list[str], between: str) -> str:
    return between.join(repr(name) for name in names)
