"""Names in a sentence, and names that results join to one text."""

from __future__ import annotations

from collections.abc import Sequence

from cellport.runtime.decisions import text

_JOINED_BY, _INSTEAD = text("values.joined_by"), text("values.joined_by_instead")


def joinable(name: str) -> str:
    """Return a name as it is written among others: with a comma for the ``;`` that joins them."""
    return name.replace(_JOINED_BY, _INSTEAD)


def listed(names: Sequence[str], most: int) -> str:
    """Return the first names, and how many more there are: ``a, b and 3 more``."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
