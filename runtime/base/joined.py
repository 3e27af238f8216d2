"""Names that results join to one text, and can be told apart again."""

from __future__ import annotations

from cellport.runtime.decisions import text

_JOINED_BY, _INSTEAD = text("values.joined_by"), text("values.joined_by_instead")


def joinable(name: str) -> str:
    """Return a name as it is written among others: with a comma for the ``;`` that joins them."""
    return name.replace(_JOINED_BY, _INSTEAD)
