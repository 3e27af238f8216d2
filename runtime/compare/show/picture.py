"""What every picture of a comparison is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cellport.runtime.compare.show.drawing import Drawing

WIDTH = 760
Table = tuple[Sequence[str], list[Sequence[object]]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing, the numbers it is of, and what it does not show."""

    name: str  # of its files
    title: str
    drawing: Drawing
    table: Table
    caveat: str
    kind: str = ""  # of composition that it is of, or the type whose genes it shows
