"""How far training is: what it tells whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands, for a progress bar.

    Attributes
    ----------
    epoch, epochs
        Epochs done, and their number.
    losses
        Means over the last epoch, or over what is done of the next: nats a cell, by name.
    within
        Share of the next epoch that is done.
    part
        Which model is trained, or ``reading``.
    unit
        What is counted: an epoch, or a cell while the reference is read.
    note
        Something to say once.
    """

    epoch: int
    epochs: int
    losses: dict[str, float]
    within: float = 0.0
    part: str = "model"
    unit: str = "epoch"
    note: str = ""


OnProgress = Callable[[Progress], None]
# told how many cells have passed
OnCells = Callable[[int], None]


def unwatched(_: object) -> None:
    """Take no notice: the `OnProgress` or `OnCells` of nobody."""
