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
    """Say in a sentence which names come close to the one wanted, or else which there are.

    At most `shown` of them are listed where none is near.
    """
    there = [str(name) for name in names]
    near = near_names(wanted, there)
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    if not there:
        return "There is none at all."
    rest = f" and {len(there) - shown:,} more" if len(there) > shown else ""
    return f"There are: {', '.join(map(repr, there[:shown]))}{rest}."
