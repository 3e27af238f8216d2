"""How far training is: what it tells whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands, for a progress bar."""

    # epochs done, and their number
    epoch: int
    epochs: int
    # means over the last epoch, or over what is done of the next: nats a cell, by name
    losses: dict[str, float]
    within: float = 0.0  # share of the next epoch that is done
    part: str = "model"  # which model is trained, or ``reading``
    unit: str = "epoch"  # what is counted: an epoch, or a cell while the reference is read
    note: str = ""  # something to say once


OnProgress = Callable[[Progress], None]
# told how many cells have passed
OnCells = Callable[[int], None]


def unwatched(_: object) -> None:
    """Take no notice: the `OnProgress` or `OnCells` of nobody."""
